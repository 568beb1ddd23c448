"""What the pages of environments have in common."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from workspace.environments import forms, queries, recipe, services

#: Rows of a table on these pages.
MOST_ROWS = 100


def number_of(text: str) -> int | None:
    """A version as an address names it; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def listed(ws: str, given: Mapping[str, str], *, actor: Actor) -> dict[str, Any]:
    """The list by its two tabs. Those that people registered come first, unless there are none."""
    found = list(queries.list_environments(ws, actor=actor))
    counts = {"custom": sum(not one.curated for one in found), "curated": sum(one.curated for one in found)}
    tab, q = given.get("tab", "custom" if counts["custom"] else "curated"), given.get("q", "").strip()
    if tab not in counts:
        raise NotFound(_("The page of environments has no tab %(tab)s.") % {"tab": repr(tab[:40])})
    kept = [one for one in found if one.curated == (tab == "curated") and q.lower() in one.name.lower()]
    return {"environments": kept, "tab": tab, "counts": counts, "q": q}


def frame_of(ws: str, name: str, given: Mapping[str, str], tab: str, *, actor: Actor) -> dict[str, Any]:
    """What every tab of one environment shows: the version of ?version=, else the newest. Raises NotFound."""
    versions = list(queries.list_versions(ws, name, actor=actor)[:MOST_ROWS])
    if not versions:
        queries.get_environment(ws, name, actor=actor)
    wanted = number_of(given.get("version", ""))
    version = next((one for one in versions if wanted in (None, one.version)), None)
    if version is None:
        version = queries.get_version(ws, name, wanted, actor=actor)
    return {
        "environment": version.environment,
        "versions": versions,
        "version": version,
        "newest": versions[0].version if versions else version.version,
        "asked": recipe.lines(version.spec),
        "is_built": recipe.is_built(version.spec),
        "is_resolved": recipe.is_resolved(version.spec),
        "targets": list(version.environment.workspace.targets.order_by("name").values_list("name", flat=True)),
        "tab": tab,
    }


def form_of(ws: str, given: Mapping[str, str], *, actor: Actor) -> dict[str, Any]:
    """The form: of the kind ?kind=, filled in from the version ?version= of ?from=. Raises Forbidden, NotFound."""
    services.require_create(ws, actor=actor)
    known, description = given.get("from", ""), ""
    spec: dict[str, Any] = {}
    if known:
        version = queries.get_version(ws, known, number_of(given.get("version", "")), actor=actor)
        spec, description = version.spec, version.environment.description
    kinds = [
        ("pip", _("pip requirements")),
        ("conda", _("Conda file")),
        ("interpreter", _("Existing interpreter")),
        ("docker", _("Container image")),
    ]
    present = str(spec.get("kind", "pip"))
    kind = given.get("kind") or (present if present in dict(kinds) else "pip")
    if kind not in dict(kinds):
        raise NotFound(_("No form makes environments of the kind %(kind)s.") % {"kind": repr(kind[:40])})
    filled = forms.shown_spec(spec) | {"description": description}
    return {"known": known, "kinds": kinds, "kind": kind, "given": filled}
