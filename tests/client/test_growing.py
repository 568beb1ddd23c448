"""A folder that follows files which grow elsewhere."""

import hashlib
from pathlib import Path

import pytest

from zaffre.growing import Damaged, Mirror


class Source:
    """Files elsewhere, and what was asked of them."""

    def __init__(self, folder: Path, *, tails: bool) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, int]] = []
        self.mirror = Mirror(folder, self.fetch, tails=tails)

    def fetch(self, entry, start, take):
        self.asked.append((entry["path"], start))
        take(self.files[entry["path"]][start:])

    def entry(self, path: str):
        data = self.files[path]
        return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}

    def put(self, path: str, data: bytes) -> None:
        self.files[path] = data
        entries = [self.entry(one) for one in self.files]
        for one in self.mirror.lacking(entries):
            self.mirror.follow(one)
        self.mirror.forget(set(self.files))


@pytest.mark.parametrize("tails", [True, False])
def test_what_grows_stays_the_same_file(tmp_path, tails):
    there = Source(tmp_path / "held", tails=tails)
    there.put("run/logs/a", b"one")
    with (tmp_path / "held/run/logs/a").open("rb") as reader:
        assert reader.read() == b"one"
        there.put("run/logs/a", b"one two")
        assert reader.read() == b" two"
        there.put("run/logs/a", b"one two three")
        assert reader.read() == b" three"
    assert there.asked == [("run/logs/a", 0), ("run/logs/a", 3 * tails), ("run/logs/a", 7 * tails)]


@pytest.mark.parametrize("tails", [True, False])
def test_what_became_another_is_replaced(tmp_path, tails):
    there = Source(tmp_path / "held", tails=tails)
    there.put("a", b"one")
    for content in (b"another one", b"x", b"", b"xy"):
        there.put("a", content)
        assert (tmp_path / "held/a").read_bytes() == content
    there.files.clear()
    there.put("b", b"1")
    assert sorted(one.name for one in (tmp_path / "held").iterdir()) == ["b"]


def test_what_is_not_its_hash_is_not_kept(tmp_path):
    there = Source(tmp_path / "held", tails=True)
    there.put("a", b"one")
    lie = {**there.entry("a"), "sha256": "0" * 64, "size": 9}
    with pytest.raises(Damaged):
        there.mirror.follow(lie)
    assert (tmp_path / "held/a").read_bytes() == b"one"
    assert [one.name for one in (tmp_path / "held").iterdir()] == ["a"]


@pytest.mark.parametrize("path", ["../a", "/etc/a", "a/../../b", "a//b", "a\\b", "a\0b", "", ".", ".part", "a/.."])
def test_no_path_leads_out(tmp_path, path):
    there = Source(tmp_path / "in", tails=True)
    there.files[path] = b"x"
    with pytest.raises(ValueError, match="plain relative path"):
        there.mirror.follow(there.entry(path))
    assert list((tmp_path / "in").iterdir()) == []
