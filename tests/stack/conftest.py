"""One studio without a node for the fault tests of this folder; each test brings its own nodes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stack.nodes import NodeProcess, Witness
from tests.stack.running import Studio, running_studio


@pytest.fixture(scope="session")
def studio(tmp_path_factory) -> Iterator[Studio]:
    with running_studio(tmp_path_factory.mktemp("studio"), node=False) as found:
        yield found


@pytest.fixture
def bring_node(studio: Studio, tmp_path: Path) -> Iterator[Callable[[str], NodeProcess]]:
    """`bring_node("a")` starts a node that ends, with all it started, when the test does."""
    brought: list[NodeProcess] = []

    def bring(name: str) -> NodeProcess:
        node = NodeProcess(studio, tmp_path / f"node-{name}", f"{name}-{tmp_path.name[-20:]}")
        brought.append(node)
        node.start()
        return node

    yield bring
    for node in brought:
        node.kill_tree()


@pytest.fixture(scope="module")
def node(studio: Studio, tmp_path_factory) -> Iterator[NodeProcess]:
    """A node that the tests of one module share, for those that leave it as it was."""
    found = NodeProcess(studio, tmp_path_factory.mktemp("shared") / "node", "shared")
    found.start()
    yield found
    found.kill_tree()


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "witness")
