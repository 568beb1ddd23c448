"""Models and endpoints: from a file to an answer."""

import pytest

from zaffre.core import Model, Webservice
from zaffre.core.model import InferenceConfig
from zaffre.exceptions import ActivityFailedException, ModelNotFoundException

pytestmark = pytest.mark.stack

SCORE = """
import json, os
from pathlib import Path

def init():
    global factor
    factor = int(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("factor.txt")).read_text())

def run(raw_data):
    return {"sum": factor * sum(json.loads(raw_data)["data"])}
"""


def test_a_model_is_registered_listed_and_fetched(space, home):
    (home / "work" / "factor.txt").write_text("3")
    model = Model.register(space, "factor.txt", "factor", tags={"a": "b"}, description="three")
    assert Model(space, "factor").version == model.version
    assert "factor" in space.models
    assert next(iter(Model.list(space, "factor"))).version == model.version
    (home / "down").mkdir()
    with open(Model(space, id=model.id).download(str(home / "down"))) as kept:
        assert kept.read() == "3"
    with pytest.raises(ModelNotFoundException):
        Model(space, "factor", version=999)


def test_the_command_registers_deploys_scores_and_deletes(zaffre, home):
    work = home / "work"
    (work / "factor.txt").write_text("2")
    (work / "score.py").write_text(SCORE)
    (work / "row.json").write_text('{"data": [1, 2]}')
    model = zaffre("model", "register", "by-command", "--path", "factor.txt")
    words = ("--model", f"by-command:{model['version']}", "--source", ".", "--entry", "score.py", "--wait")
    assert zaffre("endpoint", "deploy", "by-command", *words)["score_url"]
    assert zaffre("endpoint", "score", "by-command", "--data", "@row.json") == {"sum": 6}
    assert zaffre("endpoint", "show", "by-command")["deployments"][0]["state"] == "healthy"
    before = zaffre("endpoint", "keys", "by-command")
    after = zaffre("endpoint", "keys", "by-command", "--regenerate", "primary")
    assert after["primary"] != before["primary"]
    assert after["secondary"] == before["secondary"]
    assert zaffre("endpoint", "delete", "by-command", "--yes")["deleted"]


def test_a_scoring_script_that_cannot_start_shows_its_log(space, home):
    work = home / "work"
    (work / "factor.txt").write_text("2")
    (work / "score.py").write_text(
        "def init():\n    raise ValueError('no weights here')\n\ndef run(raw_data):\n    return 1\n"
    )
    model = Model.register(space, "factor.txt", "broken")
    service = Model.deploy(space, "broken", [model], InferenceConfig("score.py", "."))
    with pytest.raises(ActivityFailedException, match="no weights here"):
        service.wait_for_deployment()
    Webservice(space, "broken").delete()
