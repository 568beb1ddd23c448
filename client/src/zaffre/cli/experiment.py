"""zaffre experiment list, show, create, update, archive, delete"""

from __future__ import annotations

import argparse
from typing import Any, Dict

from zaffre.cli.common import age, facts, noun, one_named, pairs, table, tell, verb, workspace_of
from zaffre.errors import NotFound, UserErrorException
from zaffre.transport import segment


def add(nouns: Any) -> None:
    verbs = noun(nouns, "experiment", "Runs that belong together.")
    listing = verb(verbs, "list", _list, "The experiments of the workspace.")
    listing.add_argument("--archived", action="store_true", help="those that were put away")
    one_named(verbs, "show", _show, "All that is known of an experiment.")
    create = one_named(verbs, "create", _create, "Make one before its first run, which else makes it.")
    create.add_argument("--description", default="", metavar="TEXT")
    create.add_argument("--tag", action="append", metavar="NAME=VALUE")
    update = one_named(verbs, "update", _update, "Change its name, description or tags.")
    update.add_argument("--new-name", metavar="NAME")
    update.add_argument("--description", metavar="TEXT")
    update.add_argument("--add-tag", action="append", metavar="NAME=VALUE", help="or another value; repeat it")
    update.add_argument("--remove-tag", action="append", metavar="NAME")
    archive = one_named(
        verbs, "archive", _archive, "Hide it from the lists; its runs stay, and its next run brings it back."
    )
    archive.add_argument("--undo", action="store_true", help="show it again")
    one_named(verbs, "delete", _delete, "Remove an experiment that has no runs.")


def _list(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/experiments", archived=1 if options.archived else None)["experiments"]
    rows = [(one["name"], one.get("runs"), age(one.get("created")), one.get("description")) for one in found]
    heads = ("name", "runs", "created", "description")
    tell(options, {"experiments": found}, lambda: table(heads, rows, empty="There are none."))
    return 0


def _known(options: argparse.Namespace) -> "tuple[Any, Dict[str, Any]]":
    """(the workspace, what the studio knows of the experiment, archived or not). Raises NotFound."""
    space = workspace_of(options)
    found = space.client.get(f"{space.path}/experiments", archived="all", name=options.name)["experiments"]
    if not found:
        hint = "zaffre experiment list shows those that there are."
        raise NotFound(f"There is no experiment {options.name!r} in {space.name}.", status=404, hint=hint)
    return space, found[0]


def _show(options: argparse.Namespace) -> int:
    found = _known(options)[1]
    tell(options, found, lambda: _facts(found))
    return 0


def _facts(found: Dict[str, Any]) -> str:
    return facts(
        [
            ("experiment", found["name"]),
            ("id", found["id"]),
            ("runs", found["runs"]),
            ("created", age(found["created"])),
            ("archived", age(found["archived"])),
            ("description", found["description"]),
            ("tags", ", ".join(f"{key}={value}" for key, value in found["tags"].items())),
        ]
    )


def _create(options: argparse.Namespace) -> int:
    space = workspace_of(options)
    body = {"name": options.name, "description": options.description, "tags": pairs(options.tag, "--tag")}
    found = space.client.post(f"{space.path}/experiments", body)
    tell(options, found, lambda: _facts(found))
    return 0


def _changed(options: argparse.Namespace, changes: Dict[str, Any]) -> int:
    space, known = _known(options)
    found = space.client.patch(f"{space.path}/experiments/{segment(known['id'])}", changes)
    tell(options, found, lambda: _facts(found))
    return 0


def _update(options: argparse.Namespace) -> int:
    tags = {**dict.fromkeys(options.remove_tag or []), **pairs(options.add_tag, "--add-tag")}
    told = {"name": options.new_name, "description": options.description, "tags": tags or None}
    changes = {key: value for key, value in told.items() if value is not None}
    if not changes:
        raise UserErrorException("Nothing to change was named.", hint="Give --add-tag stage=done.", code="usage")
    return _changed(options, changes)


def _archive(options: argparse.Namespace) -> int:
    return _changed(options, {"archived": not options.undo})


def _delete(options: argparse.Namespace) -> int:
    space, known = _known(options)
    space.client.delete(f"{space.path}/experiments/{segment(known['id'])}")
    tell(options, {"deleted": known["name"]}, lambda: f"{known['name']} is deleted.")
    return 0
