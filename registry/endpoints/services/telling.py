"""Telling others that something about an endpoint changed: its watchers, the gateways, the nodes of a target."""

from studio.kernel.events import publish
from studio.kernel.jobs import enqueue, hint_pool
from zaffre.protocol import SYNC_TASK

PUBLISH_TASK = "registry.publish_routes"


def tell(workspace: str, endpoint: str) -> None:
    """After the commit: whoever has the workspace's endpoints on a page."""
    publish(f"endpoints.{workspace}", endpoint=endpoint)


def reroute() -> None:
    """Have the routes published; call it in the transaction that changed what is in them."""
    enqueue(PUBLISH_TASK)


def hint_nodes(target_id: int) -> None:
    """Have the nodes of a target ask which replicas they should keep."""
    hint_pool(target_id, SYNC_TASK)
