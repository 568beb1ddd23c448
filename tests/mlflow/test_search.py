"""The language of searches: what it says, and that nothing said in it can do more than search."""

import pytest

from runs import search
from runs.filters import Comparison, Field, parse_filter, parse_order, parse_tree
from studio.kernel.errors import Invalid
from tests.mlflow.conftest import Door, refusal


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("  ", []),
        ("metrics.loss<-.5e1", [Comparison(Field("metric", "loss"), "<", -5.0)]),
        ("metric.`a b` >= 1 AND params.x = 'it''s'", [
            Comparison(Field("metric", "a b"), ">=", 1.0), Comparison(Field("param", "x"), "=", "it's"),
        ]),
        ('tags."and or" ilike "%a%"', [Comparison(Field("tag", "and or"), "ILIKE", "%a%")]),
        ("tags.mlflow.parentRunId = 'x'", [Comparison(Field("tag", "mlflow.parentRunId"), "=", "x")]),
        ("params.in is not null and params.`is` IS NULL", [
            Comparison(Field("param", "in"), "IS NOT NULL", None), Comparison(Field("param", "is"), "IS NULL", None),
        ]),
        ("run_id NOT IN ('a', 'b')", [Comparison(Field("attribute", "run_id"), "NOT IN", ("a", "b"))]),
        ("attributes.`Run ID` = 'a'", [Comparison(Field("attribute", "run_id"), "=", "a")]),
    ],
)  # fmt: skip
def test_what_a_filter_says(text, wanted):
    assert parse_filter(text) == wanted


@pytest.mark.parametrize(
    ("text", "at", "length"),
    [
        ("metrics.a > 1 or", 16, 0),
        ("(metrics.a > 1", 14, 0),
        ("not", 3, 0),
        ("not " * 30 + "metrics.a > 1", 0, 0),
        ("not " * 2400 + "metrics.a > 1", 0, 0),
        ("(metrics.a = 1 and " * 90 + "metrics.a = 1" + ")" * 90, 0, 0),
        ("metrics.a > 1 and", 17, 0),
        ("metrics.a > 1 and metrics.b", 27, 0),
        ("x > 1 and metrics.a = 'x'", 0, 1),
        ("status = failed and metrics.a = 'x'", 32, 3),
        ("params.a > 'high'", 11, 6),
        ("params.a LIKE 1", 14, 1),
        ("name = x and foo.a = 'x'", 13, 3),
        ("name = x and color = 'x'", 13, 5),
        ("metrics.a LIKE 'x'", 0, 9),
        ("run_id IN ()", 11, 1),
        ("run_id IN 'a'", 10, 1),
        ("params.a = 'x", 11, 1),
        ("datasets.size = 'x'", 0, 13),
        ("metrics.a = 1;--", 13, 1),
        ("'", 0, 1),
        ("x" * 10_001, 0, 0),
        ("(" * 5000, 5000, 0),
        (" and ".join(["metrics.a = 1"] * 101), 0, 0),
        ("a " * 101, 0, 0),
        ("created > '2026-13-01'", 10, 12),
        ("created > 2026-02-30", 10, 10),
        ("created > 7d", 10, 2),
        ("created > '2026-11-01T25:00'", 10, 18),
        ("duration > soon", 11, 4),
        ("status = compleated", 9, 10),
        ("status in (failed, 'FINISHD')", 11, 17),
        ("params.a ~ '" + "x" * 501 + "'", 11, 503),
        ("metrics.`a\0` = 1", 0, 12),
        ("name = x and ＮＡＭＥ = y", 18, 1),
    ],
)
def test_a_mistake_is_told_with_its_place(text, at, length):
    with pytest.raises(Invalid) as refused:
        parse_tree(text)
    told = refused.value.details
    assert (refused.value.code, told["position"], told["length"]) == ("bad_filter", at, length)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("metrcs.loss < 1", "metrics"),
        ("statsu = failed", "status"),
        ("status = compleated", "completed"),
        ("status != 'FINISHD'", "FINISHED"),
        ("datasets.nme = 'x'", "name"),
        ("created > 7d", "-7d"),
        ("attributes.start_tme > 1", "start_time"),
    ],
)
def test_a_wrong_word_is_told_with_the_one_that_was_meant(text, meant):
    with pytest.raises(Invalid) as refused:
        parse_tree(text)
    assert refused.value.details["meant"] == meant
    assert refused.value.message.endswith(f"Did you mean {meant!r}?")


@pytest.mark.parametrize("text", ["a b", "name ~ 'x'", "metrics.a IN (1)", "metrics.a IS NULL", "not metrics.a = 1"])
def test_what_searches_by_tables_of_operators_do_not_take(text):
    with pytest.raises(Invalid):
        parse_filter(text)


def test_an_order():
    assert parse_order("metrics.`a b` desc").descending
    assert not parse_order("start_time").descending
    with pytest.raises(Invalid):
        parse_order("metrics.a DESC, metrics.b")


async def several(carl: Door) -> dict[str, str]:
    """Three ended or running runs: {run id: name}."""
    found = {}
    for name, loss, more in (("one", 0.5, "50%"), ("two", 0.25, "5"), ("three", "NaN", "x_y")):
        run_id = (await carl.run("0", run_name=name, tags=[{"key": "team", "value": more}]))["info"]["run_id"]
        metrics = [{"key": "loss", "value": loss, "timestamp": 1}, {"key": "5", "value": 5, "timestamp": 1}]
        params = [{"key": "5", "value": name}, {"key": "a\\b", "value": "c\\d"}] if name != "two" else []
        assert (await carl.post("runs/log-batch", run_id=run_id, metrics=metrics, params=params)).status == 200
        found[run_id] = name
    two = next(run_id for run_id, name in found.items() if name == "two")
    assert (await carl.post("runs/update", run_id=two, status="FAILED")).status == 200
    return found


CASES = [
    ("", ["three", "two", "one"]),
    ("metrics.loss < 0.3", ["two"]),
    ("metrics.loss != 0.5", ["two"]),
    ("metrics.loss > 0", ["two", "one"]),
    ("metrics.`5` = 5", ["three", "two", "one"]),
    ("metrics.loss >= -1e400", ["two", "one"]),
    ("params.`5` = 'one'", ["one"]),
    ("params.`5` != 'one'", ["three"]),
    ("params.`5` IS NULL", ["two"]),
    ("params.`5` IS NOT NULL", ["three", "one"]),
    ("params.`a\\b` LIKE 'c\\_'", ["three", "one"]),
    ("params.`a\\b` LIKE 'c\\'", []),
    ("tags.team LIKE '5%'", ["two", "one"]),
    ("tags.team ILIKE 'X_Y'", ["three"]),
    ("tags.team = '50%'", ["one"]),
    ("tags.nothing = ''", []),
    ("run_name = 'one'", ["one"]),
    ("run_name IN ('one', 'three') and metrics.loss > 0", ["one"]),
    ("run_name NOT IN ('one', 'three')", ["two"]),
    ("status = 'RUNNING'", ["three", "one"]),
    ("status != 'RUNNING'", ["two"]),
    ("status LIKE 'F%'", ["two"]),
    ("status = 'running'", ["three", "one"]),
    ("status = 'nonsense'", []),
    ("status IN ('failed', 'RUNNING')", ["three", "two", "one"]),
    ("status IS NULL", []),
    ("status NOT LIKE 'F%'", ["three", "one"]),
    ("params.`5` IN ('one', 'x')", ["one"]),
    ("params.`5` NOT IN ('one', 'x')", ["three"]),
    ("tags.team in ('5', 'x_y')", ["three", "two"]),
    ("metrics.loss in (0.5, 7)", ["one"]),
    ("metrics.loss not in (0.5, 7)", ["two"]),
    ("metrics.loss IS NULL", ["three"]),
    ("metrics.loss IS NOT NULL", ["two", "one"]),
    ("end_time IS NULL", ["three", "one"]),
    ("tags.team = 5", ["two"]),
    ("tags.team >= 4.99", ["two"]),
    ("tags.team < '1e3'", ["two"]),
    ("tags.team != 6", ["two"]),
    ("run_name ~ '^t'", ["three", "two"]),
    ("run_name !~ '^t'", ["one"]),
    ("params.`5` ~ '(o|t)[nh]'", ["three", "one"]),
    ("start_time > -1h", ["three", "two", "one"]),
    ("start_time < -1h", []),
    ("start_time > -99999999999999999999d", ["three", "two", "one"]),
    ("start_time > yesterday and start_time <= 'today'", ["three", "two", "one"]),
    ("start_time = '1999-01-01' or start_time > 2999-01-01", []),
    ("created != 1999-01-01T10:00+09:00", ["three", "two", "one"]),
    ("started IS NOT NULL duration < 1h and duration >= 0", ["three", "two", "one"]),
    ("duration > '2h'", []),
    ("experiment = 'Default' and user = carl", ["three", "two", "one"]),
    ("experiment = Other", []),
    ("target IS NULL and kind = interactive and number > 1", ["three", "two"]),
    ("artifact_uri LIKE 'mlflow-artifacts:/%/artifacts'", ["three", "two", "one"]),
    ("environment IS NOT NULL", []),
    ("datasets.name = 'x'", []),
    ("not datasets.name = 'x' one", ["one"]),
    ("TWO", ["two"]),
    ("'50%'", ["one"]),
    ("x_y or 'two'", ["three", "two"]),
    ("default wo status = FAILED", ["two"]),
    ("not two", ["three", "one"]),
    ("'%'", ["one"]),
    ('"\' or 1=1"', []),
    ("attributes.status IN ('FAILED', 'KILLED')", ["two"]),
    ("start_time > 1000000000000 and end_time > 1", ["two"]),
    ("start_time > 1e300", []),
    ("user_id = 'carl' and lifecycle_stage = 'active'", ["three", "two", "one"]),
    ("user_id = 'olga'", []),
    ("metrics.loss < 0.3 or run_name = 'three'", ["three", "two"]),
    ("run_name = 'one' or run_name = 'two' and status = 'FAILED'", ["two", "one"]),
    ("(run_name = 'one' or run_name = 'two') and status = 'FAILED'", ["two"]),
    ("not params.`5` = 'one'", ["three", "two"]),
    ("not (metrics.loss > 0 or status = 'KILLED')", ["three"]),
    ("not not run_name = 'one'", ["one"]),
    ("((((((((((((((((((((((((((((((run_name = 'one'))))))))))))))))))))))))))))))", ["one"]),
    ("params.`5` = ''' or 1=1 --'", []),
    ("tags.`team' or '1'='1` = 'x'", []),
    ("tags.`%s` = '%s' and tags.`%(x)s` LIKE '%s%%'", []),
]


async def test_what_is_found(carl: Door):
    names = await several(carl)
    wrong = {}
    for text, wanted in CASES:
        answer = await carl.post("runs/search", experiment_ids=["0"], filter=text)
        assert answer.status == 200, (text, answer.body)
        found = [names[one["info"]["run_id"]] for one in answer.json()["runs"]]
        if found != wanted:
            wrong[text] = found
    assert wrong == {}


async def walk(carl: Door, *, experiment: str = "0", size: int = 1, **more) -> list[str]:
    """The ids of all pages."""
    seen, token = [], None
    while token is not None or not seen:
        place = {"page_token": token} if token else {}
        answer = await carl.post("runs/search", experiment_ids=[experiment], max_results=size, **place, **more)
        assert answer.status == 200, answer.body
        page = answer.json()
        seen += [one["info"]["run_id"] for one in page["runs"]]
        token = page.get("next_page_token")
        if token is None:
            break
    return seen


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        (["metrics.loss DESC"], ["one", "two", "three"]),
        (["metrics.loss ASC"], ["two", "one", "three"]),
        (["metrics.loss ASC", "metrics.nothing", "run_name"], ["two", "one", "three"]),
        (["params.`5`"], ["one", "three", "two"]),
        (["attributes.end_time", "run_name DESC"], ["two", "three", "one"]),
        (["attributes.status DESC", "start_time ASC"], ["one", "three", "two"]),
        (["tags.`5' desc; --`"], ["three", "two", "one"]),
        (["run_id"], ["one", "two", "three"]),
        ([], ["three", "two", "one"]),
    ],
)
async def test_the_order_and_pages_of_one(carl: Door, order, wanted):
    names = await several(carl)
    assert [names[run_id] for run_id in await walk(carl, order_by=order)] == wanted


async def test_where_runs_are_equal_the_last_to_begin_comes_first_and_then_the_id_decides(carl: Door):
    """As the client's own tests have it: the same start for all means the order of the ids."""
    same = sorted([(await carl.run("0", start_time=1))["info"]["run_id"] for _ in range(7)])
    later = (await carl.run("0", start_time=2))["info"]["run_id"]
    earlier = (await carl.run("0", start_time=-5))["info"]["run_id"]
    for order in ([], ["start_time DESC"], ["metrics.none DESC"], ["tags.`mlflow.user`"]):
        assert await walk(carl, size=2, order_by=order) == [later, *same, earlier], order
    assert await walk(carl, size=2, order_by=["start_time"]) == [earlier, *same, later]


async def test_missing_values_come_last_and_nan_before_them_whichever_way(carl: Door):
    made = {}
    for at, value in enumerate([1.5, "NaN", None, "Infinity", -1e300, 1.5, "-Infinity", None, "NaN", 0]):
        run_id = (await carl.run("0", start_time=at + 1))["info"]["run_id"]
        made[run_id] = at
        if value is not None:
            point = {"key": "a b", "value": value, "timestamp": 1}
            assert (await carl.post("runs/log-batch", run_id=run_id, metrics=[point])).status == 200
    rising = [6, 4, 9, 5, 0, 3, 8, 1, 7, 2]
    falling = [3, 5, 0, 9, 4, 6, 8, 1, 7, 2]
    for size in (1, 3, 100):
        found = await walk(carl, size=size, order_by=["metrics.`a b` ASC"])
        assert [made[run_id] for run_id in found] == rising
        found = await walk(carl, size=size, order_by=["metrics.`a b` DESC"])
        assert [made[run_id] for run_id in found] == falling


async def test_runs_that_begin_meanwhile_move_no_page(carl: Door):
    for at, word in enumerate(("b", "d", "f", "h", "j")):
        await carl.run("0", run_name=word, start_time=at, tags=[{"key": "word", "value": word}])
    asked = {"experiment_ids": ["0"], "max_results": 2, "order_by": ["tags.word"]}
    first = (await carl.post("runs/search", **asked)).json()
    await carl.run("0", run_name="a", tags=[{"key": "word", "value": "a"}])
    await carl.run("0", run_name="e", tags=[{"key": "word", "value": "e"}])
    second = (await carl.post("runs/search", **asked, page_token=first["next_page_token"])).json()
    third = (await carl.post("runs/search", **asked, page_token=second["next_page_token"])).json()
    pages = [[one["info"]["run_name"] for one in page["runs"]] for page in (first, second, third)]
    assert pages == [["b", "d"], ["e", "f"], ["h", "j"]]


async def test_a_page_token_is_of_its_search_only(carl: Door):
    await several(carl)
    asked = {"experiment_ids": ["0"], "max_results": 1}
    token = (await carl.post("runs/search", **asked, order_by=["metrics.loss"])).json()["next_page_token"]
    broken = [token[:-3], token[1:], "x" * 50_000, token + "€", "e30", "WzFd", "bnVsbA"]
    for order, given in [([], token), (["metrics.loss DESC"], token), *((["metrics.loss"], one) for one in broken)]:
        answer = await carl.post("runs/search", **asked, order_by=order, page_token=given)
        assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE"), (order, given[:40])


async def test_pages_of_the_newest_first(carl: Door):
    names = await several(carl)
    first = (await carl.post("runs/search", experiment_ids=["0"], max_results=2)).json()
    await carl.run("0", run_name="four")
    token = first["next_page_token"]
    rest = (await carl.post("runs/search", experiment_ids=["0"], max_results=2, page_token=token)).json()
    # A run that began meanwhile moves nothing.
    assert [names[one["info"]["run_id"]] for one in [*first["runs"], *rest["runs"]]] == ["three", "two", "one"]
    assert "next_page_token" not in rest


async def test_deleted_experiments_and_their_runs(carl: Door):
    await several(carl)
    await carl.post("experiments/delete", experiment_id="0")
    counts = {}
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        answer = await carl.post("runs/search", experiment_ids=["0"], run_view_type=view)
        counts[view] = [one["info"]["lifecycle_stage"] for one in answer.json()["runs"]]
    assert counts == {"ACTIVE_ONLY": [], "DELETED_ONLY": ["deleted"] * 3, "ALL": ["deleted"] * 3}


@pytest.mark.parametrize(
    "body",
    [
        {"filter": "color = 'x'"},
        {"filter": "run_name ~ '('"},
        {"filter": " or ".join(["run_name ~ 'x'"] * 11)},
        {"filter": "run_name ~ '(((a{255}){255}){255})'"},
        {"filter": "metrics.a"},
        {"filter": 5},
        {"order_by": ["nothing DESC"]},
        {"order_by": ["metrics.a"] * 21},
        {"order_by": "metrics.a"},
        {"max_results": 0},
        {"max_results": 50_001},
        {"max_results": "many"},
        {"page_token": "x"},
        {"page_token": "s5"},
        {"page_token": "s5", "order_by": ["metrics.a"], "max_results": -1},
        {"page_token": "s" + "9" * 30, "order_by": ["metrics.a"]},
        {"run_view_type": "SOME"},
        {"experiment_ids": [5]},
        {"filter": "tags.a = 'x\0'"},
    ],
)
async def test_a_search_that_cannot_be_meant(carl: Door, body):
    answer = await carl.post("runs/search", **{"experiment_ids": ["0"], **body})
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")


async def test_runs_are_found_by_the_datasets_that_they_read(carl: Door):
    for name, data, context in (
        ("one", "iris", "train"),
        ("two", "iris", "eval"),
        ("three", "wine", "train"),
        ("four", "", ""),
    ):
        run_id = (await carl.run("0", run_name=name))["info"]["run_id"]
        dataset = {"name": data, "digest": f"d-{data}", "source_type": "local", "source": "{}"}
        tags = [{"key": "mlflow.data.context", "value": context}]
        if data:
            answer = await carl.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": tags}])
            assert answer.status == 200, answer.body
    wrong = {}
    for text, wanted in (
        ("datasets.name = 'iris'", ["two", "one"]),
        ("dataset.name LIKE '%i%' and datasets.context = 'train'", ["three", "one"]),
        ("datasets.digest IN ('d-wine', 'x')", ["three"]),
        ("datasets.name != 'iris'", ["three"]),
        ("not datasets.name = 'iris'", ["four", "three"]),
        ("datasets.name IS NULL", ["four"]),
        ("datasets.name = 'iris' or run_name = 'four'", ["four", "two", "one"]),
    ):
        answer = await carl.post("runs/search", experiment_ids=["0"], filter=text)
        found = [one["info"]["run_name"] for one in answer.json()["runs"]]
        if found != wanted:
            wrong[text] = found
    assert wrong == {}


async def test_a_pattern_that_would_take_for_ever_is_ended(carl: Door, monkeypatch):
    monkeypatch.setattr(search, "REGEX_TIME", 300)
    await carl.run("0", run_name="slow", tags=[{"key": "long", "value": "ab" * 2000 + "x"}])
    pattern = r"(.*)(.*)(.*)(.*)(.*)[^a]\1\2"
    answer = await carl.post("runs/search", experiment_ids=["0"], filter=f"tags.long ~ '{pattern}'")
    assert refusal(answer) == (400, "INVALID_PARAMETER_VALUE")
    assert "takes too long" in answer.json()["message"]
    # What follows on the same connection has the usual time.
    answer = await carl.post("runs/search", experiment_ids=["0"], filter="tags.long ~ '(ab){9}x$'")
    assert [one["info"]["run_name"] for one in answer.json()["runs"]] == ["slow"]


async def test_experiments_that_are_none_find_nothing(carl: Door):
    await several(carl)
    for ids in ([], ["x"], ["999999"], ["9" * 30], ["-1"], ["²"]):
        answer = await carl.post("runs/search", experiment_ids=ids)
        assert (answer.status, answer.json()["runs"]) == (200, []), ids
