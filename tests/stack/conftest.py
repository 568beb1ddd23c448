"""One studio without a node for the fault tests of this folder; each test brings its own nodes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.links import NEAR, Link
from tests.stack.nodes import NodeProcess, Witness
from tests.stack.running import Studio, running_studio


@pytest.fixture(scope="session")
def studio(tmp_path_factory) -> Iterator[Studio]:
    with running_studio(
        tmp_path_factory.mktemp("studio"), node=False, ALLOWED_HOSTS=f"localhost,127.0.0.1,{NEAR}"
    ) as found:
        yield found


@pytest.fixture
def bring_node(studio: Studio, tmp_path: Path) -> Iterator[Callable[..., NodeProcess]]:
    """`bring_node("a")` starts a node that ends, with all it started, when the test does; `url` may be a Link's."""
    brought: list[NodeProcess] = []

    def bring(name: str, **more: Any) -> NodeProcess:
        node = NodeProcess(studio, tmp_path / f"node-{name}", f"{name}-{tmp_path.name[-20:]}", **more)
        brought.append(node)
        node.start()
        return node

    yield bring
    for node in brought:
        node.kill_tree()


@pytest.fixture
def link(studio: Studio) -> Iterator[Link]:
    """A wire to the studio for `bring_node("a", url=link.url)`."""
    found = Link(studio.port)
    yield found
    found.close()


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
