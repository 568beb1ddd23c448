"""The filter of the list of runs, by the JSON door."""

import pytest

RUNS = "/api/v1/workspaces/lab/runs"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("params.model = 'mlp'", [1]),
        ("params.model = 'mlp' or status = 'failed'", [2, 1]),
        ("not params.model = 'mlp'", [3, 2]),
        ("not (params.model = 'mlp' or status = 'failed')", [3]),
        ("user_id = 'olga'", []),
        ("params.model = ''' or 1=1 --'", []),
    ],
)
def test_what_a_filter_finds(api, make_run, text, wanted):
    one, two, _ = make_run(), make_run(), make_run()
    one.change(params={"model": "mlp"})
    two.change(params={"model": "cnn"}, status="failed")
    answer = api("rio").get(RUNS, {"filter": text})
    assert (answer.status_code, [run["number"] for run in answer.json()["runs"]]) == (200, wanted)


def test_a_filter_that_cannot_be_meant_is_refused_with_its_place(api, lab):
    answer = api("rio").get(RUNS, {"filter": "params.a = 'x' or"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"]["position"]) == (422, "bad_filter", 17)


def test_a_stranger_learns_nothing_by_a_filter(api, lab):
    assert api("mallory").get(RUNS, {"filter": "params.a = 'x'"}).status_code == 404
