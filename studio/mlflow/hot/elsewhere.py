"""What the studio does not have: said at once, so that the client does not try again for minutes."""

from studio.kernel import hot
from studio.kernel.errors import ZaffreError
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door


@door
async def no_endpoint(request: hot.Request, ws: str, path: str) -> hot.Response:
    """Every other address under the prefix."""
    await actor_of(request)
    raise ZaffreError(f"The studio does not have {request.method[:20]} /{path[:200]}.", code="no_endpoint")
