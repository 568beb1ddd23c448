"""Differences of code, packages and pictures of compared runs."""

import random
import re

import pytest

from runs.compare import textdiff
from runs.compare.packages import named
from tests.runs.compare.conftest import where

OLD = b"import os\n\ndef train(lr=0.1):\n    return lr\n"
NEW = b"import os\n\ndef train(lr=0.2, depth=3):\n    return lr\n"


@pytest.fixture
def two(told):
    old = {"train.py": OLD, "gone.py": b"x\n", "same.py": b"1\n", "data.bin": b"\0\1", "lib/a.py": b"moved\n" * 9}
    new = {"train.py": NEW, "new.py": b"y\n", "same.py": b"1\n", "data.bin": b"\0\2", "lib/b.py": b"moved\n" * 9}
    new["big.txt"] = b"long\n" * 200_000
    return told(name="before", files=old), told(name="after", files=new)


@pytest.mark.parametrize("view", ["split", "unified"])
def test_files_are_told_by_what_became_of_them(two, browser, view):
    page = browser("rio").get(where(two, tab="code", view=view)).content.decode()
    assert "2 changed · 2 added · 1 removed · 1 moved · 1 the same" in page
    assert "lib/a.py →" in page
    assert "Too big to be compared line by line" in page
    assert "Not text: only the sizes and hashes" in page
    assert f'class="code-diff {view}"' in page
    assert "<del>1</del>" in page
    assert "<ins>2, depth=3</ins>" in page


def test_the_other_way_round(two, browser):
    page = browser("rio").get(where(two, tab="code", a=two[1], b=two[0])).content.decode()
    assert "<ins>1</ins>" in page
    assert "2 changed · 1 added · 2 removed" in page


def test_one_file_by_itself(two, browser):
    part = browser("rio").get(where(two, a=two[0], b=two[1], path="train.py").replace("compare?", "compare/file?"))
    assert "<ins>2, depth=3</ins>" in part.content.decode()
    for path in ("same.py", "none.py", "../../etc/passwd"):
        assert browser("rio").get(where(two, path=path).replace("compare?", "compare/file?")).status_code == 404


def test_runs_without_code_and_with_the_same(told, browser):
    files = {"train.py": OLD}
    one, bare = told(name="one", files=files), told(name="bare")
    assert "bare has no snapshot." in browser("rio").get(where([one, bare], tab="code")).content.decode()
    again = told(name="again", snapshot_id=_snapshot_of(one))
    assert "same" in browser("rio").get(where([one, again], tab="code")).content.decode()


def _snapshot_of(run):
    from runs.models import Run

    return Run.objects.get(pk=run).snapshot_id


def test_the_json_of_code(two, api):
    found = api("rio").get(f"/api/v1/workspaces/lab/compare/code?run={two[0]}&run={two[1]}").json()
    states = {one["path"]: one["state"] for one in found["files"]}
    assert states == {
        "big.txt": "added",
        "data.bin": "changed",
        "gone.py": "removed",
        "lib/b.py": "moved",
        "new.py": "added",
        "train.py": "changed",
    }
    assert found["same"] == 1


def test_any_two_texts_can_be_made_from_each_other():
    chance = random.Random(3)
    for _ in range(400):
        old = [chance.choice("abcd") for _ in range(chance.randint(0, 25))]
        new = list(old)
        for _ in range(chance.randint(0, 6)):
            if new and chance.random() < 0.5:
                new.pop(chance.randrange(len(new)))
            else:
                new.insert(chance.randint(0, len(new)), chance.choice("abxy"))
        found = textdiff.diff(old, new)
        made, at = [], 0
        for hunk in found.hunks:
            made += old[at : hunk.old_start - 1]
            at = hunk.old_start - 1
            for before, after, _shown in hunk.lines:
                at += before is not None
                made += ["".join(after.parts)] if after else []
        assert made + old[at:] == new
        assert found.added - found.removed == len(new) - len(old)


def test_texts_that_have_nothing_in_common_are_said_to():
    found = textdiff.diff([f"a{n}" for n in range(2000)], [f"b{n}" for n in range(2000)])
    assert (found.matched, found.added, found.removed) == (False, 2000, 2000)


def test_packages_beside_each_other(told, browser):
    files = {"model/requirements.txt": b"other==1\n", "logs/requirements.txt": b"torch==2.1\nNumPy==2.4\n"}
    one = told(name="one", artifacts=files)
    two = told(name="two", artifacts={"model/requirements.txt": b"torch==2.2\nnumpy==2.4\n"})
    page = browser("rio").get(where([one, two], tab="packages")).content.decode()
    rows = {key: bool(differs) for differs, key in re.findall(r'<tr( class="differs")? data-key="([^"]*)"', page)}
    assert rows == {"numpy": False, "torch": True}


def test_lists_of_packages_as_people_write_them():
    lines = ["Torch>=2 ; python_version > '3.9'  # why", "-r other.txt", "", "# no", "a[b]==1 --hash=sha256:1", "???"]
    assert named(lines) == {"torch": '>=2; python_version > "3.9"', "a[b]": "==1", "???": "✓"}


def test_pictures_by_name_and_step(told, browser):
    one = told(name="one", artifacts={"outputs/step_1.png": b"1", "outputs/step_20.png": b"2", "images/roc.png": b"3"})
    two = told(name="two", artifacts={"outputs/step_1.png": b"1", "notes.txt": b"no picture", "a.wav": b"sound"})
    page = browser("rio").get(where([one, two], tab="images")).content.decode()
    assert 'data-steps="[\n  1,\n  20\n]"' in page
    assert f"/runs/{one}/artifacts/outputs/step_20.png" in page
    assert f"/runs/{two}/artifacts/outputs/step_1.png" in page
    assert "notes.txt" not in page and "a.wav" not in page
    found = browser("rio").get(where([one, two], tab="images", name="roc")).content.decode()
    assert "step_20" not in found and "roc.png" in found
