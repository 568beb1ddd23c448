"""What a node keeps of environments, as it tells the studio."""

import os
import shutil
from pathlib import Path

from tests.agent.test_environments import provide, wheels
from zaffre.agent.environments import Environments
from zaffre.agent.environments.stock import Stock

__all__ = ["wheels"]


def test_what_is_kept_is_told_when_it_changed_and_to_whoever_looks(wheels, tmp_path):
    environments = Environments(tmp_path / "cache", limit_gb=2)
    told = Stock(environments.shelf)
    assert told.news(anyway=False) == {"limit": 2 * 10**9, "size": 0, "count": 0, "kept": []}
    assert told.news(anyway=False) is not None, "it was not taken"
    told.was_told()
    assert told.news(anyway=False) is None and told.news(anyway=True) is not None
    owner = tmp_path / "attempt"
    owner.mkdir()
    spec = {"kind": "pip", "requirements": ["zfalpha"]}
    made = environments.provide({"spec": spec}, until=lambda: False, say=lambda _: None, owner=owner)
    provide(environments, "zfbeta")
    os.utime(environments.folder / f".{Path(made.bin).parent.name}.used", (1, 1))
    found = told.news(anyway=False)
    second, first = found["kept"]
    assert (found["count"], found["size"]) == (2, first["size"] + second["size"])
    assert first["digest"] == made.facts["digest"] and (first["packages"], first["busy"]) == (2, True)
    assert second["busy"] is False and second["idle_seconds"] < 600 < first["idle_seconds"]
    told.was_told()
    environments.shelf.remove(Path(provide(environments, "zfbeta").bin).parent.name)
    [left] = told.news(anyway=False)["kept"]
    told.was_told()
    told.evict([left["digest"], "f" * 64])
    told._evicting.join()
    assert told.news(anyway=True)["count"] == 1, "a run uses it"
    owner.rmdir()
    told.evict([left["digest"]])
    told._evicting.join()
    assert told.news(anyway=False)["count"] == 0, "and that it is gone is news"
    shutil.rmtree(environments.folder, ignore_errors=True)
    assert told.news(anyway=True) is None
