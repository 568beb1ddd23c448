"""zaffre environment list, versions, show, create, register, scaffold, download, build, builds, diff"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Dict

from zaffre.cli.common import age, facts, named_version, noun, table, tell, verb, workspace_of
from zaffre.errors import UserErrorException
from zaffre.transport import segment


def add(nouns: Any) -> None:
    verbs = noun(nouns, "environment", "What code runs with: packages, an interpreter or an image, and variables.")
    verb(verbs, "list", _list, "The environments of the workspace.")
    versions = verb(verbs, "versions", _versions, "The versions of an environment, the newest first.")
    versions.add_argument("name", metavar="NAME")
    show = verb(verbs, "show", _show, "What an environment is made of, and what it was resolved to.")
    _which(show)
    create = verb(verbs, "create", _create, "Make an environment, or its next version, from packages.")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--requirements", type=Path, metavar="FILE", help="a requirements file")
    create.add_argument("--conda", type=Path, metavar="FILE", help="a conda file")
    create.add_argument(
        "--package", action="append", default=[], metavar="REQUIREMENT", help="such as scikit-learn==1.7"
    )
    create.add_argument("--image", help="a container image, with the packages in it if some are named")
    create.add_argument("--dockerfile", type=Path, metavar="FILE", help="an image that nodes build")
    create.add_argument("--interpreter", metavar="PATH", help="a Python that is on the node, as it is")
    create.add_argument("--python", metavar="VERSION", help="such as 3.11 (default: the node's)")
    create.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable of its runs")
    create.add_argument("--description", default="")
    scaffold = verb(verbs, "scaffold", _scaffold, "Write the files of a new environment into a folder, to edit them.")
    scaffold.add_argument("-n", "--name", required=True)
    scaffold.add_argument("-d", "--directory", type=Path, required=True)
    register = verb(verbs, "register", _register, "Register the environment whose files are in a folder.")
    register.add_argument("-d", "--directory", type=Path, required=True)
    download = verb(verbs, "download", _download, "Write an environment into a folder, as files.")
    _which(download)
    download.add_argument("-d", "--directory", type=Path, required=True)
    download.add_argument("--overwrite", action="store_true", help="replace files that are there")
    build = verb(verbs, "build", _build, "Have a node make it now, and show the log.")
    _which(build)
    build.add_argument("--target", default="", metavar="NAME", help="where (default: local, or the only one)")
    build.add_argument("--again", action="store_true", help="make it anew where a node has it already")
    build.add_argument("--no-wait", action="store_true", help="do not wait for the end")
    builds = verb(verbs, "builds", _builds, "What became of the builds of an environment, the newest first.")
    builds.add_argument("name", metavar="NAME")
    builds.add_argument("--log", metavar="BUILD", help="what the installer said in this one")
    builds.add_argument("--cancel", metavar="BUILD", help="end this one")
    diff = verb(verbs, "diff", _diff, "What differs between two versions: asked for, and installed.")
    diff.add_argument("name", metavar="NAME")
    diff.add_argument("old", type=int, metavar="OLD")
    diff.add_argument("new", type=int, metavar="NEW")


def _which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("environment", nargs="?", metavar="NAME[:V]")
    parser.add_argument("-n", "--name", help=argparse.SUPPRESS)
    parser.add_argument("-v", "--version", type=int, help=argparse.SUPPRESS)


def _named(options: argparse.Namespace) -> "tuple[str, Any]":
    given = options.environment or options.name
    if not given:
        raise UserErrorException("Which environment?", hint="Give its name, or name:version.", code="usage")
    name, version = named_version(given)
    return name, options.version or version


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
    name, version = _named(options)
    address = f"{space.path}/environments/{segment(name)}"
    found = space.client.get(address)
    found = space.client.get(f"{address}/versions/{version or found['version']}")
    tell(options, found, lambda: _facts(found))
    return 0


def _facts(found: Dict[str, Any]) -> str:
    spec = found["spec"]
    kind = "the node's own Python" if spec.get("kind") == "system" else spec.get("kind")
    locks = [f"{one['packages']} packages for Python {one['python']}" for one in found.get("locks") or []]
    rows = [
        ("environment", f"{found['name']}:{found['version']}"),
        ("kind", kind),
        ("python", spec.get("python")),
        ("interpreter", spec.get("interpreter")),
        ("image", spec.get("image")),
        ("channels", ", ".join(spec.get("channels") or [])),
        ("variables", ", ".join(f"{key}={value}" for key, value in (spec.get("variables") or {}).items())),
        ("resolved to", ", ".join(locks) or None),
        ("warnings", " | ".join(spec.get("warnings") or [])),
    ]
    lines = [*(spec.get("requirements") or []), *(spec.get("dockerfile") or "").splitlines()]
    packages = "\n".join(f"  {one}" for one in lines)
    return f"{facts(rows)}\n{packages}" if packages else facts(rows)


def _create(options: argparse.Namespace) -> int:
    made = _of_packages(options)
    made.description = options.description
    made.python.conda_dependencies.python_version = options.python or made.python.conda_dependencies.python_version
    made.environment_variables = dict(_variable(one) for one in options.env)
    return _registered(options, made)


def _of_packages(options: argparse.Namespace) -> Any:
    from zaffre.core.environment import Environment, read_requirements

    floors = [one for one in (options.image, options.dockerfile, options.interpreter) if one]
    if len(floors) > 1:
        raise UserErrorException("Give one of --image, --dockerfile and --interpreter.", code="usage")
    if options.conda:
        made = Environment.from_conda_specification(options.name, str(options.conda))
    else:
        made = Environment(options.name)
        listed = read_requirements(options.requirements) if options.requirements else []
        made.python.conda_dependencies.pip_packages = [*listed, *options.package]
    packages = made.python.conda_dependencies
    if packages.pip_packages or packages.conda_packages:
        if options.interpreter:
            raise UserErrorException("Nothing is installed into an interpreter that is there.", code="usage")
    elif not floors:
        hint = "Give --requirements FILE, --conda FILE or --package NAME, or --image, --dockerfile or --interpreter."
        raise UserErrorException("Which packages?", hint=hint, code="usage")
    else:
        made.python.user_managed_dependencies = True
    made.docker.base_image = options.image
    made.docker.base_dockerfile = options.dockerfile.read_text(encoding="utf-8") if options.dockerfile else None
    made.python.interpreter_path = options.interpreter or "python"
    return made


def _variable(text: str) -> "tuple[str, str]":
    name, equals, value = text.partition("=")
    if not equals:
        raise UserErrorException(f"{text!r} is no variable.", hint="Write --env NAME=VALUE.", code="usage")
    return name, value


def _registered(options: argparse.Namespace, made: Any) -> int:
    space = workspace_of(options)
    body = {"name": made.name, "description": made.description, "spec": made.spec}
    found = space.client.post(f"{space.path}/environments", body)
    word = "is the same already" if found.get("unchanged") else "made"
    warnings = "".join(f"\nWarning: {one}" for one in (found.get("spec") or {}).get("warnings") or [])
    tell(options, found, lambda: f"{found['name']}:{found['version']} {word}.{warnings}")
    return 0


def _scaffold(options: argparse.Namespace) -> int:
    from zaffre.core.environment import Environment

    Environment(options.name).save_to_directory(str(options.directory))
    told = {"name": options.name, "directory": str(options.directory)}
    tell(options, told, lambda: f"{options.directory} has the files of {options.name}: edit them, then register it.")
    return 0


def _register(options: argparse.Namespace) -> int:
    from zaffre.core.environment import Environment

    return _registered(options, Environment.load_from_directory(str(options.directory)))


def _download(options: argparse.Namespace) -> int:
    from zaffre.core.environment import Environment

    name, version = _named(options)
    found = Environment.get(workspace_of(options), name, version)
    found.save_to_directory(str(options.directory), overwrite=options.overwrite)
    told = {"name": name, "version": found.version, "directory": str(options.directory)}
    tell(options, told, lambda: f"{name}:{found.version} is in {options.directory}.")
    return 0


def _build(options: argparse.Namespace) -> int:
    from zaffre.core.environment import Environment
    from zaffre.core.environment_builds import start

    name, version = _named(options)
    space = workspace_of(options)
    build = start(Environment.get(space, name, version), space, target=options.target, again=options.again)
    if not options.no_wait:
        build.wait_for_completion(show_output=not options.json)
    tell(options, build.known, lambda: f"build {build.id} of {name}: {build.status}")
    return 0


def _versions(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/environments/{segment(options.name)}")
    rows = [
        (one["version"], one["spec"].get("kind"), len(one["spec"].get("requirements") or []), age(one["created"]))
        for one in found["versions"]
    ]
    tell(options, found, lambda: table(("version", "kind", "packages asked for", "created"), rows, empty="None."))
    return 0


def _builds(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    address = f"{space.path}/environments/{segment(options.name)}/builds"
    one = options.log or options.cancel
    if one:
        at = f"{address}/{segment(one)}"
        build = space.client.post(f"{at}/cancel", {}) if options.cancel else space.client.get(at)
        told = build.get("log") or f"build {build['id']}: {build['status']}"
        tell(options, build, lambda: told)
        return 0
    found = space.client.get(address)
    rows = [
        (one["id"], one["version"], one["status"], one["target"], one["node"], age(one["created"]), one["reason"])
        for one in found["builds"]
    ]
    heads = ("id", "version", "status", "target", "node", "created", "reason")
    tell(options, found, lambda: table(heads, rows, empty="It was not built yet."))
    return 0


def _diff(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    query = {"from": str(options.old), "to": str(options.new)}
    found = space.client.get(f"{space.path}/environments/{segment(options.name)}/diff", **query)
    tell(options, found, lambda: _differences(found))
    return 0


def _differences(found: Dict[str, Any]) -> str:
    asked = [f"  {'-' if one['old'] else '+'} {one['line']}" for one in found["asked"]] or ["  nothing differs"]
    if found["installed"] is None:
        installed = "  known when both versions have been resolved"
    else:
        rows = [(one["name"], one["old"] or "–", one["new"] or "–") for one in found["installed"]]
        installed = table(("package", str(found["from"]), str(found["to"])), rows, empty="  nothing differs")
    return "\n".join(["asked for", *asked, "installed", installed])
