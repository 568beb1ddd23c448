"""What a node says of its steps is read in the reader's language; what it has no words for, as the node wrote it."""

import pytest
from django.utils import translation

from runs import notes
from runs.models import Run
from tests.runs.control.conftest import FakeCode
from zaffre.agent.notes import in_english

SAID = {
    "snapshot": {"code": "files", "count": 5, "size": 5500},
    "environment": {"code": "built", "packages": 12, "name": "sklearn"},
    "data": {"code": "no_inputs"},
}


@pytest.fixture
def code(carl, node) -> FakeCode:
    carl.submit()
    return FakeCode(node.claim())


def tell(code: FakeCode, *steps: dict) -> None:
    plain = {"state": "done", "seconds": 0.1}
    answer = code.post("progress", state="preparing", steps=[{**plain, **step} for step in steps])
    assert answer.status_code == 200, answer.content


def told(carl, code: FakeCode) -> list[dict]:
    """The steps that have a note, as programs see them."""
    return [step for step in carl.look(Run.objects.get(pk=code.spec["run"]))["steps"] if step["note"]]


def test_pages_have_notes_in_their_language_and_programs_in_english(carl, code):
    tell(code, *({"name": name, "note": in_english(said), "said": said} for name, said in SAID.items()))
    steps = told(carl, code)
    assert [step["note"] for step in steps] == ["5 files, 5.5 kB", "sklearn: built, 12 packages", "no inputs"]
    with translation.override("ja"):
        found = [notes.in_words(step) for step in steps]
    assert found == ["5 個のファイル、5.5 kB", "sklearn: 作成しました（12 個のパッケージ）", "入力なし"]


def test_what_a_node_says_in_other_words_is_shown_as_it_is(carl, code):
    later = {"code": "teleported", "count": 3}
    odd = {"code": "files", "count": {"a": 1}, "size": ["x"]}
    tell(
        code,
        {"name": "snapshot", "note": "2 files, 3 B"},
        {"name": "environment", "note": "teleported, 3 times", "said": later},
        {"name": "data", "note": "odd", "said": odd},
    )
    steps = told(carl, code)
    with translation.override("ja"):
        found = [notes.in_words(step) for step in steps]
    assert found == ["2 files, 3 B", "teleported, 3 times", "odd"]


def test_what_went_wrong_afterwards_replaces_what_was_said(carl, code):
    tell(code, {"name": "data", "note": "no inputs", "said": SAID["data"]})
    tell(code, {"name": "data", "state": "failed", "note": "The input 'a' could not be fetched"})
    (step,) = told(carl, code)
    with translation.override("ja"):
        assert notes.in_words(step) == "The input 'a' could not be fetched"
