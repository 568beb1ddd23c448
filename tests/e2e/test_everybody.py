"""Every page for everybody: axe finds nothing, in both languages, light and dark, and at the width of a phone."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import PATIENCE
from tests.stack.running import ROOT, Studio

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

AXE = ROOT / "node_modules/axe-core/axe.min.js"
TRAIN = """
import pathlib, sys
from zaffre.core import Run

run = Run.get_context()
run.tag("team", sys.argv[-1])
for step in range(30):
    run.log("train/loss", 1 / (step + 1), step=step)
    run.log("accuracy", 1 - 1 / (step + 2), step=step)
run.log_confusion_matrix("matrix", {"schema_type": "confusion_matrix", "schema_version": "1.0.0",
                         "data": {"class_labels": ["a", "b"], "matrix": [[3, 1], [0, 4]]}})
for step in (1, 2):
    run.log_table("errors", {"class": ["boot", "shirt"], "share": [0.1, 0.2 / step]})
print("\\x1b[31mred\\x1b[0m and plain")
print("Error: nothing is wrong")
with run.child_run("fold") as fold:
    fold.log("accuracy", 0.5)
pathlib.Path("outputs/deep").mkdir(parents=True, exist_ok=True)
pathlib.Path("outputs/table.csv").write_text("a,b\\n1,2\\n")
pathlib.Path("outputs/deep/facts.json").write_text('{"a": [1, null, "x"]}')
"""
#: The innermost elements that reach over the right edge of the page, and are not in something that scrolls by itself.
TOO_WIDE = """[...document.querySelectorAll('body *')].filter((one) => {
    const over = (it) => it.getBoundingClientRect().right > innerWidth + 1;
    for (let up = one.parentElement; up !== document.body; up = up.parentElement)
        if (getComputedStyle(up).overflowX !== 'visible') return false;
    return over(one) && ![...one.children].some(over);
}).slice(0, 3).map((one) => one.outerHTML.slice(0, 160)).join(' | ')"""
RUN_TABS = ("", "/metrics", "/images", "/children", "/outputs", "/snapshot", "/environment", "/lineage")
COMPARED = ("charts", "details", "metrics", "parallel", "scatter", "box", "code", "packages", "images", "tables")
PLACES = (
    "",
    "/experiments",
    "/runs",
    "/new-run",
    "/reports",
    "/bin",
    "/models",
    "/endpoints",
    "/compute",
    "/compute-attach",
    "/keyvault",
    "/environments",
    "/environments/new",
    "/usage",
    "/data",
)
#: (language, scheme, width, height): what differs between visitors, each kind of it once with each other kind.
VISITORS = [("en", "light", 1440, 900), ("en", "dark", 390, 844), ("ja", "light", 390, 844), ("ja", "dark", 1440, 900)]


@pytest.fixture(scope="module")
def places(studio: Studio) -> dict[str, str]:
    """The pages by name."""
    runs = []
    for at, rate in enumerate(("0.1", "0.01")):
        config: dict[str, Any] = {"experiment": "everybody", "arguments": ["--lr", rate]}
        runs.append(studio.submit({"train.py": TRAIN, f"other{at}.py": "x = 1\n"}, **config))
    for run in runs:
        studio.wait_for(run, "completed", seconds=240)
    home = f"/w/{studio.known['workspace']}"
    compared = "&".join(f"run={run}" for run in runs)
    found = {place or "home": f"{home}{place}" for place in PLACES}
    found |= {f"run{tab}": f"{home}/runs/{runs[0]}{tab}" for tab in RUN_TABS}
    found |= {f"compare {tab}": f"{home}/compare?{compared}&tab={tab}" for tab in COMPARED}
    found["table"] = f"{home}/experiments/everybody"
    found["groups"] = f"{home}/experiments/everybody?group=tags.team"
    found["mistake"] = f"{home}/runs?filter=stats+%3D+1"
    found["no hits"] = f"{home}/runs?filter=metrics.accuracy+%3E+7"
    found["file"] = f"{home}/runs/{runs[0]}/outputs?file=outputs/deep/facts.json"
    made = {"name": "few", "kind": "cluster", "settings": {"max_nodes": 2}}
    assert studio.ask("POST", f"{studio.ws}/compute", made).status == 201
    assert studio.ask("POST", f"{studio.ws}/compute", {"name": "desk", "kind": "instance"}).status == 201
    found |= {f"compute {tab}": f"{home}/compute?tab={tab}" for tab in ("instances", "clusters", "attached")}
    found |= {f"cluster{tab}": f"{home}/compute/few{tab}" for tab in ("", "/nodes", "/runs", "/details")}
    found |= {f"new {kind}": f"{home}/compute-new/{kind}" for kind in ("cluster", "instance", "joined")}
    local = studio.ask("GET", f"{studio.ws}/compute/local").json["nodes"][0]["id"]
    found |= {"instance": f"{home}/compute/desk", "node": f"{home}/compute/local/nodes/{local}"}
    found |= {f"environment{tab}": f"{home}/environments/vision{tab}" for tab in environments(studio)}
    processes = studio.submit({"train.py": "print(1)\n"}, distribution={"processes_per_node": 2})
    studio.wait_for(processes, "completed", seconds=240)
    found |= {"seats": f"{home}/runs/{processes}", "clone": f"{home}/runs/{runs[0]}/clone"}
    waits = studio.try_submit({"train.py": ""}, resources={"cpus": 64})
    assert waits.status == 201, waits.body
    found |= {"waits": f"{home}/runs/{waits.json['id']}", "queue": f"{home}/compute/local/queue"}
    found["account"] = "/account"
    return found


def environments(studio: Studio) -> list[str]:
    """What stands below an environment with two versions, one of which is being built: ends of addresses."""
    for asked in ("numpy==1.26.4", "numpy==2.1.0"):
        spec = {"kind": "pip", "requirements": [asked]}
        made = studio.ask("POST", f"{studio.ws}/environments", {"name": "vision", "spec": spec})
        assert made.status == 201, made.body
    build = studio.ask("POST", f"{studio.ws}/environments/vision/builds", {})
    assert build.status == 201, build.body
    return ["", "/packages", "/builds", f"/builds/{build.json['id']}", "/used", "/diff"]


def problems(page: "Page", path: str) -> list[str]:
    """What is wrong with one page as it is shown now."""
    answer = page.goto(path)
    assert answer is not None
    if answer.status not in (200, 422):
        return [f"{path}: {answer.status}"]
    page.wait_for_load_state("networkidle")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    told = [f"{path}: {one['id']}: {one['nodes'][0]['html'][:160]} ({len(one['nodes'])})" for one in found]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        told.append(f"{path}: too wide: {page.evaluate(TOO_WIDE)}")
    return told


@pytest.mark.parametrize(("language", "scheme", "width", "height"), VISITORS)
def test_axe_finds_nothing(
    page: "Page",
    chromium: "Browser",
    studio: Studio,
    places: dict[str, str],
    language: str,
    scheme: Any,
    width: int,
    height: int,
):
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        locale=language,
        base_url=studio.url,
        # axe is put into the page by evaluating it, which the pages' policy forbids.
        bypass_csp=True,
        storage_state=page.context.storage_state(),
    )
    context.set_default_timeout(PATIENCE)
    try:
        visit = context.new_page()
        wrong = [line for path in places.values() for line in problems(visit, path)]
        assert visit.get_attribute("html", "lang") == language
    finally:
        context.close()
    assert wrong == [], json.dumps(wrong, indent=1, ensure_ascii=False)
