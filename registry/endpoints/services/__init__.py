"""Everything that changes endpoints: making, keys, deploying, and keeping replicas alive."""

from registry.endpoints.services.deploying import deploy, make_and_deploy
from registry.endpoints.services.making import create_endpoint, delete_endpoint, regenerate_key, show_keys
from registry.endpoints.services.nodes import sync_replicas
from registry.endpoints.services.upkeep import publish_routes, tick

__all__ = [
    "create_endpoint",
    "delete_endpoint",
    "deploy",
    "make_and_deploy",
    "publish_routes",
    "regenerate_key",
    "show_keys",
    "sync_replicas",
    "tick",
]
