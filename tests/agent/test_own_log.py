"""The end of the agent's own log goes to the studio when somebody looks, and is bounded."""

import logging

from zaffre.agent.config import _Processors, load
from zaffre.agent.ownlog import Tail


class Gpus:
    def read(self) -> dict[str, float]:
        return {"gpu_0_utilization_percentage": 50.0, "gpu_1_utilization_percentage": 100.0, "gpu_0_x": 7.0}


def test_it_keeps_the_last_lines_only():
    tail = Tail()
    log = logging.Logger("own")
    log.addHandler(tail)
    for number in range(1000):
        log.info("line %s %s", number, "x" * 500)
    text = tail.text()
    assert len(text) <= 16_000 and "line 999" in text and "line 1 " not in text
    assert text.splitlines()[0][:2].isdigit(), "it begins with a whole line"


def test_how_busy_the_machine_is_tells_its_disk_and_its_gpus(tmp_path):
    told = load(tmp_path, Gpus())
    assert told["gpu"] == 0.75 and 0 <= told["disk"] <= 1
    assert "gpu" not in load(tmp_path, None)


def test_how_busy_the_processors_are_is_told_for_the_time_between_two_looks(tmp_path):
    stat = tmp_path / "stat"
    looked = _Processors(stat)
    assert looked.share() == 0.0, "no such file: another system"
    for line, share in (
        ("200 0 100 600 100 0 0 0", 0.3),
        ("290 0 100 610 100 0 0 0", 0.9),
        ("290 0 100 610 100 0 0 0", 0.0),
    ):
        stat.write_text(f"cpu  {line} 0 0\ncpu0 {line} 0 0\n")
        assert looked.share() == share
