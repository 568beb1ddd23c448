"""Telling pages that an environment changed."""

from studio.kernel.events import publish
from workspace.environments.models import EnvironmentVersion


def tell(version: EnvironmentVersion) -> None:
    """Pages that show environments look again, after the commit."""
    environment = version.environment
    publish(f"environments.{environment.workspace.slug}", name=environment.name, version=version.version)
