"""What the studio does not have: said at once, so that the client does not try again for minutes."""

from studio.kernel import db, hot
from studio.kernel.errors import ZaffreError
from studio.mlflow.auth import actor_of
from studio.mlflow.errors import door
from workspace.access import get_workspace


@door
async def find_logged_models(request: hot.Request, ws: str) -> hot.Response:
    """POST logged-models/search → {models: []}: they cannot be created, so there is none to find.

    The client asks when it lists a folder of a run's artifacts, and could not list it without an answer.
    """
    actor = await actor_of(request)
    await request.body()
    await db.run(get_workspace, ws, actor=actor, action="run.read")
    return hot.json({"models": []})


@door
async def no_endpoint(request: hot.Request, ws: str, path: str) -> hot.Response:
    """Every other address under the prefix."""
    await actor_of(request)
    raise ZaffreError(f"The studio does not have {request.method} /{path[:200]}.", code="no_endpoint")
