"""The pure table of a run's life, and the checking of its configuration."""

import pytest

from runs import states
from runs.config import parse_config, require_script
from studio.kernel.errors import Invalid
from zaffre import protocol


def test_an_attempt_only_goes_forward():
    assert states.before("running") == {"starting", "preparing", "running"}
    assert states.before("completed") == frozenset()


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"exit_code": 0}, "completed"),
        ({"exit_code": 3}, "failed"),
        ({"exit_code": None}, "failed"),
        ({"exit_code": 0, "reason": "environment_failed"}, "failed"),
        ({"exit_code": 0, "canceling": True}, "canceled"),
        ({"exit_code": 0, "canceling": True, "decided": True}, "failed"),
    ],
)
def test_what_a_result_means(told, status):
    facts = {"canceling": False, "decided": False, "reason": "", "exit_code": None, **told}
    assert states.outcome(**facts) == status


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"launched": True}, "failed"),
        ({"launched": True, "max_retries": 1}, "queued"),
        ({"launched": True, "max_retries": 1, "retries_used": 1}, "failed"),
        ({"launched": False}, "queued"),
        ({"launched": False, "free_used": states.FREE_RETRIES}, "failed"),
        ({"launched": False, "canceling": True}, "canceled"),
    ],
)
def test_what_becomes_of_a_lost_attempt(facts, status):
    known = {"canceling": False, "launched": True, "free_used": 0, "retries_used": 0, "max_retries": 0, **facts}
    assert states.given_up(**known) == status


def test_pauses_grow_to_a_limit():
    assert [states.pause(number) for number in (1, 2, 3, 20)] == [5, 10, 20, 300]


def test_every_state_is_one_of_the_protocol():
    assert set(states.PROGRESS) | {"cancel_requested"} == set(protocol.HELD_STATES)


def test_a_config_gets_its_defaults():
    config = parse_config({"script": "./train.py", "arguments": ["--lr", 0.1]})
    assert config["script"] == "train.py"
    assert config["arguments"] == ["--lr", "0.1"]
    assert (config["target"], config["environment"], config["max_retries"]) == ("local", "system", 0)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "config.script"),
        ({"script": "a.py", "command": ["ls"]}, "config.script"),
        ({"script": "a.py", "gpus": 2}, "config"),
        ({"script": "a.py", "arguments": "--lr 1"}, "config.arguments"),
        ({"script": "a.py", "arguments": [True]}, "config.arguments"),
        ({"script": "a.py", "environment_variables": {"1A": "x"}}, "config.environment_variables"),
        ({"script": "a.py", "environment_variables": {"A": 1}}, "config.environment_variables"),
        ({"script": "a.py", "inputs": {"../x": "digits"}}, "config.inputs"),
        ({"script": "a.py", "inputs": {"x": {"dataset": "digits", "mode": "magic"}}}, "config.inputs"),
        ({"script": "a.py", "max_retries": 99}, "config.max_retries"),
        ({"script": "a.py", "max_duration_seconds": 0}, "config.max_duration_seconds"),
        ("train.py", "config"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(body, field):
    with pytest.raises(Invalid) as refused:
        parse_config(body)
    assert refused.value.details["field"] == field


@pytest.mark.parametrize("script", ["../train.py", "/etc/passwd", "a//b.py", "a\\b.py"])
def test_a_script_stays_inside_its_snapshot(script):
    with pytest.raises(Invalid):
        parse_config({"script": script})


@pytest.mark.parametrize(
    ("script", "nearest"), [("trian.py", "train.py"), ("train.py", "src/train.py"), ("zzz.sh", None)]
)
def test_a_missing_script_names_the_nearest(script, nearest):
    files = ["src/train.py", "prepare.py"] if nearest == "src/train.py" else ["train.py", "prepare.py"]
    with pytest.raises(Invalid) as refused:
        require_script(parse_config({"script": script}), files)
    assert refused.value.code == "no_such_script"
    assert refused.value.details["nearest"] == nearest
