"""Sizes, names and words: what a reader may count on in every file."""

import ast
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from studio import env
from studio.kernel import errors
from tests.architecture.sources import PACKAGES, ROOMS, ROOT, calls, functions, python, tracked

MOST_LINES, MOST_OF_A_FUNCTION = 400, 60
CODE = (".py", ".js", ".css", ".html")
#: Words that are a hole or the beginning of one, with the files that may use them.
RED_FLAGS = {
    r"\bmark_safe\(": {"studio/kernel/markdown.py"},  # what a renderer without raw HTML has made
    r"\|safe\b": set(),
    r"csrf_exempt": set(),
    r"\bAllowAny\b": set(),
    r"\bpickle\b": set(),
    r"shell=True": set(),
    r"yaml\.load\(": set(),
    r"\.extractall\(": set(),
    r"on_commit\([^)]*\.delay": set(),
    r"\.delay\(": set(),
    r"\bgroup_send\(": set(),
    r"task_acks_late=True": set(),
    r"filter\(\*\*request": set(),
    r"order_by\(request": set(),
    r"(?<![\w.])(?:eval|exec)\(": {"client/src/zaffre/agent/zygote.py"},  # becomes the script of a run
    r"\bos\.system\(": set(),
    r"\brequests\.(?:get|post)\(": set(),
    r"\.(?:inner|outer)HTML\b|insertAdjacentHTML": {"static/src/elements/log-tail.js"},  # what ansi_up has escaped
    r"new Function\(": set(),
}


#: Not ours to explain, or from one of our processes to the next.
OF_THE_SYSTEM = {"PATH", "ZAFFRE_STARTED"}


def ours(*ends: str) -> list[str]:
    return [name for name in tracked() if name.endswith(ends) and not name.startswith(("tests/", "bench/", "docs/"))]


def test_files_stay_readable():
    long = {
        name: lines
        for name in ours(*CODE)
        if "/migrations/" not in name and (lines := len((ROOT / name).read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


def test_functions_stay_readable():
    long = {}
    for name, module in python(*PACKAGES, "examples"):
        for node in functions(module):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_OF_A_FUNCTION:
                long[f"{name}:{node.name}"] = lines
    assert long == {}


@pytest.mark.parametrize("flag", RED_FLAGS)
def test_red_flags_are_nowhere(flag):
    pattern = re.compile(flag)
    found = {name for name in ours(".py", ".html", ".js") if pattern.search((ROOT / name).read_text())}
    assert found - RED_FLAGS[flag] == set()


def test_every_app_has_one_last_migration():
    graph = MigrationLoader(None).graph
    ours = [app.label for app in apps.get_app_configs() if app.name.split(".")[0] in {"studio", *ROOMS}]
    leaves = {app: graph.leaf_nodes(app) for app in ours}
    assert sum(map(bool, leaves.values())) > 8
    assert {app: found for app, found in leaves.items() if len(found) > 1} == {}


def test_migrations_are_named_by_hand():
    named = [Path(name).stem for name in tracked() if Path(name).parent.name == "migrations"]
    made = [name for name in named if name != "__init__"]
    assert len(made) > 10
    assert [name for name in made if not re.fullmatch(r"\d{4}_[a-z0-9_]+", name) or "auto" in name.split("_")] == []


def test_templates_hold_no_script_and_no_style():
    inline = re.compile(r"<script(?![^>]*\b(?:src=|type=\"application/json\"))|\bstyle=|\bon(?:click|load|change)=")
    assert [name for name in ours(".html") if inline.search((ROOT / name).read_text())] == []


def test_the_project_speaks_of_no_machine():
    places = re.compile(r"(?<![\w.])/(?:root|opt|work|home)/[a-z]")
    texts = [name for name in tracked() if name.endswith((*CODE, ".md", ".toml", ".txt", ".yml", ".in", ".json"))]
    found = [
        name
        for name in texts
        if name != "tests/architecture/test_house_style.py" and places.search((ROOT / name).read_text(errors="replace"))
    ]
    assert found == []


def test_nothing_is_left_for_later():
    marks = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    found = [name for name in ours(*CODE) if marks.search((ROOT / name).read_text())]
    assert found == []


def test_every_setting_is_written_down():
    """Each variable of the environment that the studio reads stands in deploy/README.md."""
    readers = [*(name for name in vars(env) if name.startswith("env")), "_yes_or_no"]
    asked = {
        call.args[0].value
        for name, module in python("studio")
        for call in [
            *calls(module, *readers),
            *(one for one in calls(module, "get") if "environ" in ast.dump(one.func)),
        ]
        if call.args and isinstance(call.args[0], ast.Constant)
    }
    told = (ROOT / "deploy" / "README.md").read_text()
    assert len(asked) > 20
    assert {name for name in asked if f"`{name}`" not in told} == OF_THE_SYSTEM


#: What only programs meet, and reads no language: wires, hot doors, what nodes and users' scripts call.
UNSPOKEN = {
    *(f"registry/{name}" for name in ("endpoints/services/upkeep", "forms", "loggedmodels", "services")),
    *(f"runs/{name}" for name in ("api", "content", "fencing", "lines", "logs", "metrics", "search", "search_order")),
    *(f"runs/{name}" for name in ("search_sql", "tensorboards", "told", "watching")),
    *(f"runs/artifacts/{name}" for name in ("reading", "services", "small", "uploading", "zips")),
    *(f"runs/services/{name}" for name in ("beginning", "children", "claims", "closing", "ending", "experiments")),
    *(f"runs/services/{name}" for name in ("hints", "interactive", "leases", "reaper", "turning")),
    "workspace/attached/tender",
}


def test_what_is_refused_can_be_said_in_every_language():
    kinds = [name for name, kind in vars(errors).items() if isinstance(kind, type)]
    plain = set()
    for name, module in python(*ROOMS):
        place = Path(name).with_suffix("")
        if place.name == "hot" or UNSPOKEN & {str(one) for one in (place, *place.parents)}:
            continue
        for call in calls(module, *kinds):
            said = [*call.args[:1], *(one.value for one in call.keywords if one.arg == "hint")]
            if any(isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and one.value) for one in said):
                plain.add(f"{name}:{call.lineno}")
    assert plain == set(), "mark it by gettext, with named parameters: people read it on pages"
