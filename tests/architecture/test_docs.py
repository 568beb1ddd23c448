"""What the documents say is there: links, commands, settings, reasons, rights, dependencies."""

import ast
import json
import re
import tomllib

import pytest

from tests.architecture.sources import ROOT, calls, python, tracked
from workspace.access import ACTIONS, ADMIN, NODE_TOKEN_ACTIONS, RUN_TOKEN_ACTIONS
from workspace.models import Role

DOCUMENTS = [name for name in tracked() if name.endswith(".md") and not name.startswith("tests/")]
DECISIONS = ROOT / "docs" / "decisions"


def text(name: str) -> str:
    return (ROOT / name).read_text()


def cells(document: str, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without their `code` marks."""
    below = document.split(f"{heading}\n", 1)[1]
    rows = [line for line in below.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in rows[2:]]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)#\s]+)", text(name))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not ((ROOT / name).parent / link).exists()] == []


def test_the_readme_is_short_and_shows_the_studio():
    readme = text("README.md")
    assert len(readme.splitlines()) <= 120
    assert "![" in readme
    assert "docs/screenshot.png" in readme


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_has_the_targets_that_are_named(name):
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)(?:[A-Z_]+=\S+ )*make ([a-z-]+)", text(name), re.MULTILINE))
    assert named <= targets


def test_every_direct_dependency_has_its_reason():
    """And no reason stands for a package that is not used any more."""
    document = text("docs/decisions/dependencies.md")

    def named(lines: list[str]) -> set[str]:
        plain = [re.match(r"[A-Za-z0-9][\w.-]*", line) for line in lines]
        return {found[0] for found in plain if found}

    pages = json.loads(text("package.json"))
    client = tomllib.loads(text("client/pyproject.toml"))
    extras = [one for extra in client["project"]["optional-dependencies"].values() for one in extra]
    wanted = {
        "## The studio (`requirements.in`)": named(text("requirements.in").splitlines()),
        "## Checking and testing (`requirements-dev.in`)": named(text("requirements-dev.in").splitlines()),
        "## Pages (`package.json`)": {*pages["dependencies"], *pages["devDependencies"]},
        "## The client (`client/pyproject.toml`)": named(
            [*client["build-system"]["requires"], *client["project"]["dependencies"], *extras]
        ),
    }
    for heading, packages in wanted.items():
        assert {row[0] for row in cells(document, heading)} == packages, heading
        assert all(len(row) == 2 and len(row[1]) > 5 for row in cells(document, heading)), heading


def test_the_matrix_is_the_rule_book():
    """Cell by cell: a right that is given or taken in code stands in the document, or this fails."""
    rows = {row[0]: row[1:6] for row in cells(text("docs/decisions/access.md"), "## People")}
    columns = [Role.OWNER, Role.CONTRIBUTOR, Role.READER, Role.LABELER, ADMIN]
    assert rows == {
        action: ["✓" if column in allowed else "·" for column in columns] for action, allowed in ACTIONS.items()
    }


def test_tokens_may_what_the_document_says():
    rows = {row[0]: row[2] for row in cells(text("docs/decisions/access.md"), "## Credentials")}
    assert set(re.findall(r"[a-z]+\.[a-z_]+", rows["run"])) == RUN_TOKEN_ACTIONS
    assert set(re.findall(r"[a-z]+\.[a-z_]+", rows["node"])) == NODE_TOKEN_ACTIONS


def test_every_reason_of_an_ended_run_is_explained():
    told = text("docs/decisions/leases.md")
    given = {
        call.args[0].value
        for _, module in python("client/src/zaffre/agent")
        for call in calls(module, "StepFailed")
        if call.args and isinstance(call.args[0], ast.Constant)
    }
    given |= {
        word.value.value
        for _, module in python("client/src/zaffre/agent")
        for call in calls(module, "_outcome")
        for word in call.keywords
        if word.arg == "reason" and isinstance(word.value, ast.Constant)
    }
    assert len(given) >= 5
    assert {reason for reason in given if f"`{reason}`" not in told} == set()


def test_decisions_can_be_found():
    """Each is named in ARCHITECTURE.md or in another decision, or nobody reads it."""
    said = "".join(text(name) for name in DOCUMENTS if not name.endswith("CHANGELOG.md"))
    assert [one.name for one in DECISIONS.glob("*.md") if one.name not in said] == []
