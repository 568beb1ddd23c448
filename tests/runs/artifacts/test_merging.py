"""The files of several nodes as one tree, in whichever order they come."""

import asyncio
import itertools

import pytest

from runs.artifacts.merging import merged, path_of
from runs.artifacts.models import Artifact
from runs.models import Run
from studio.asgi import application
from studio.kernel import blobs
from tests.kernel.asgi import Caller
from tests.mlflow.conftest import FILES
from tests.runs.control.conftest import carl, join, node, yard
from tests.runs.control.test_seats import TWO, both, running

__all__ = ["both", "carl", "join", "node", "yard"]


def entry(path: str, sha256: str) -> dict:
    return {"path": path, "sha256": sha256, "size": 1}


def test_a_folder_of_its_own_is_below_the_first_folder():
    assert path_of("outputs/a/b.txt", 2) == "outputs/node_2/a/b.txt"
    assert path_of("a.txt", 1) == "node_1/a.txt"


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
def test_the_tree_does_not_depend_on_who_comes_first(order):
    left = {
        0: [entry("outputs/model.pt", "m0"), entry("outputs/same", "s")],
        1: [
            entry("outputs/model.pt", "m1"),
            entry("outputs/same", "s"),
            entry("outputs/shard_1", "x"),
            entry("outputs/two", "t1"),
        ],
        2: [entry("outputs/model.pt", "m2"), entry("outputs/shard_2", "y"), entry("outputs/two", "t2")],
    }
    held: dict[str, tuple[int, str]] = {}
    for rank in (*order, *order):  # and again, as after a cut answer
        found = merged(left[rank], held, rank=rank)
        for path, to in found.moved.items():
            held[to] = held.pop(path)
        held |= {one["path"]: (rank, one["sha256"]) for one in (*found.files, *found.aside)}
    assert {path: sha256 for path, (_, sha256) in held.items()} == {
        "outputs/model.pt": "m0",
        "outputs/node_1/model.pt": "m1",
        "outputs/node_2/model.pt": "m2",
        "outputs/same": "s",
        "outputs/shard_1": "x",
        "outputs/shard_2": "y",
        "outputs/two": "t1",
        "outputs/node_2/two": "t2",
    }


def test_a_file_that_grows_replaces_its_own():
    held = {"logs/a": (1, "old")}
    assert merged([entry("logs/a", "new")], held, rank=1).files == [entry("logs/a", "new")]
    assert merged([entry("logs/a", "new")], held, rank=1).moved == {}


def test_every_node_of_a_run_leaves_its_files(carl, both):
    run = carl.submit(**TWO)
    first, second = running(both)
    workspace = Run.objects.get(pk=run.pk).workspace_id

    def leave(code, **files: bytes) -> None:
        told = [
            {"path": f"outputs/{name}", "sha256": blobs.put([content], workspace_id=workspace)[0], "size": len(content)}
            for name, content in files.items()
        ]
        answer = code.post("artifacts", files=told)
        assert answer.status_code == 200, answer.content

    def tree() -> dict[str, int]:
        return dict(Artifact.objects.filter(run=run).order_by("path").values_list("path", "rank"))

    leave(second, model=b"of the second", shard_1=b"1")
    assert tree() == {"outputs/model": 1, "outputs/shard_1": 1}
    leave(first, model=b"of the first", shard_0=b"0")
    expected = {"outputs/model": 0, "outputs/node_1/model": 1, "outputs/shard_0": 0, "outputs/shard_1": 1}
    assert tree() == expected
    leave(second, model=b"of the second", shard_1=b"1")
    leave(first, model=b"of the first, later")
    assert tree() == expected
    leave(second, model=b"of the first, later", **{"node_1/own": b"1"})
    assert "outputs/node_1/model" not in tree(), "equal bytes lie there once, and nothing old beside them"
    leave(first, own=b"same")
    leave(second, own=b"same")
    assert "outputs/node_1/own" in tree(), "a folder that a script itself made stays"


def test_small_files_of_mlflow_are_those_of_their_node(carl, both):
    run = carl.submit(**TWO)
    place = f"{FILES}/{Run.objects.get(pk=run.pk).experiment_id}/{run.pk}/artifacts/outputs"

    def put(code, name: str, content: bytes) -> int:
        caller = Caller(application, {"authorization": f"Bearer {code.spec['token']}"})
        return asyncio.run(caller.call("PUT", f"{place}/{name}", content)).status

    first, second = running(both)
    for code, content in ((second, b"of the second"), (first, b"of the first"), (second, b"of the second, later")):
        assert put(code, "model", content) == 200
    held = dict(Artifact.objects.filter(run=run).values_list("path", "size"))
    assert held == {"outputs/model": 12, "outputs/node_1/model": 20}
