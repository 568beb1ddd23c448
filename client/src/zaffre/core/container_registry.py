"""ContainerRegistry, where scripts import it from."""

from zaffre.core.environment_sections import ContainerRegistry

__all__ = ["ContainerRegistry"]
