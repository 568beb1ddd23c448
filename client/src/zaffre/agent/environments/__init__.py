"""Python environments of the node: made once for a lock, then shared and read-only."""

from zaffre.agent.environments.desk import Desk
from zaffre.agent.environments.installer import EnvironmentFailed, find_uv
from zaffre.agent.environments.making import Environments
from zaffre.agent.environments.shapes import Container, Environment, check_requirements

__all__ = ["Container", "Desk", "Environment", "EnvironmentFailed", "Environments", "check_requirements", "find_uv"]
