"""zaffre environment list, show, create"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Dict

from zaffre.cli.common import age, facts, named_version, noun, table, tell, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.transport import segment


def add(nouns: Any) -> None:
    verbs = noun(nouns, "environment", "The packages that code runs with.")
    verb(verbs, "list", _list, "The environments of the workspace.")
    show = verb(verbs, "show", _show, "The packages of an environment.")
    show.add_argument("environment", metavar="NAME[:V]")
    create = verb(verbs, "create", _create, "Make an environment, or its next version.")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--requirements", type=Path, metavar="FILE", help="a requirements file")
    create.add_argument(
        "--package", action="append", default=[], metavar="REQUIREMENT", help="such as scikit-learn==1.7"
    )
    create.add_argument("--python", metavar="VERSION", help="such as 3.11 (default: the node's)")
    create.add_argument("--description", default="")


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/environments")
    rows = [
        (one["name"], one["version"], "ready-made" if one["curated"] else one["created_by"], age(one["created"]))
        for one in found["environments"]
    ]
    tell(options, found, lambda: table(("name", "version", "by", "created"), rows, empty="There are none."))
    return 0


def _show(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    name, version = named_version(options.environment)
    address = f"{space.path}/environments/{segment(name)}"
    found = space.client.get(address)
    found = space.client.get(f"{address}/versions/{version or found['version']}")
    tell(options, found, lambda: _facts(found))
    return 0


def _facts(found: Dict[str, Any]) -> str:
    spec = found["spec"]
    kind = "the node's own Python" if spec.get("kind") == "system" else "pip"
    head = facts(
        [("environment", f"{found['name']}:{found['version']}"), ("kind", kind), ("python", spec.get("python"))]
    )
    packages = "\n".join(f"  {one}" for one in spec.get("requirements") or [])
    return f"{head}\n{packages}" if packages else head


def _create(options: argparse.Namespace) -> int:
    from zaffre.core.environment import Environment, read_requirements

    made = Environment(options.name)
    made.description = options.description
    listed = read_requirements(options.requirements) if options.requirements else []
    packages = [*listed, *options.package]
    if not packages:
        raise UserErrorException("Which packages?", hint="Give --requirements FILE or --package NAME.", code="usage")
    made.python.conda_dependencies.pip_packages = packages
    made.python.conda_dependencies.python_version = options.python
    space = workspace_of(options)
    body = {"name": made.name, "description": made.description, "spec": made.spec}
    found = space.client.post(f"{space.path}/environments", body)
    word = "is the same already" if found.get("unchanged") else "made"
    tell(options, found, lambda: f"{found['name']}:{found['version']} {word}.")
    return 0
