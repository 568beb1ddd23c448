"""The runs of groups that charts draw."""

from runs.tables import grouped

DOOR = "/api/v1/workspaces/lab/runs/grouped"


def told(client, **asked) -> dict[str | None, list[str]]:
    answer = client.get(DOOR, {"experiment": "digits", **asked})
    assert answer.status_code == 200, answer.content
    return {one["value"]: [run["name"] for run in one["runs"]] for one in answer.json()["groups"]}


def test_the_newest_runs_of_each_group(filled, api, monkeypatch):
    for name, model in (("a", "mlp"), ("b", "mlp"), ("c", "mlp"), ("d", "cnn")):
        filled(name, params={"model": model}, loss=1.0)
    filled("e")
    rio = api("rio")
    assert told(rio, group="params.model") == {"mlp": ["c", "b", "a"], "cnn": ["d"], None: ["e"]}
    assert told(rio, group="params.model,status", filter="name != 'c'")["mlp"] == ["b", "a"]
    assert told(rio) == {}
    monkeypatch.setattr(grouped, "MOST_OF_GROUP_DRAWN", 2)
    monkeypatch.setattr(grouped, "MOST_GROUPS_DRAWN", 1)
    assert told(rio, group="params.model") == {"mlp": ["c", "b"]}
    assert api("mallory").get(DOOR, {"group": "params.model"}).status_code == 404
    assert rio.get(DOOR, {"group": "params.model", "filter": "metrics.loss <> 1"}).status_code == 422
