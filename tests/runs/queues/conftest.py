"""The doors of runs and nodes, for the queue of a compute target."""

from tests.runs.control.conftest import carl, join, node, yard
from tests.runs.control.test_resources import machine

__all__ = ["carl", "join", "machine", "node", "yard"]
