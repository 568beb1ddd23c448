"""What a version was resolved to: reading a lock as nodes report it, without asking anybody.

A lock is a requirements file of exact packages, each with the hashes of its files, as `uv pip compile
--generate-hashes` writes it. With the platform `any` it counts everywhere, by the markers in it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from studio.kernel.errors import Invalid

MAX_LOCK = 900_000
ANY = "any"
_PYTHON = re.compile(r"3\.[0-9]{1,2}\Z")
_PLATFORM = re.compile(r"[a-z0-9][a-z0-9_.-]{1,39}\Z")
_HASH = re.compile(r"--hash=([a-z0-9]+:[0-9a-f]{32,128})")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def parse_lock(text: str) -> list[dict[str, Any]]:
    """The packages: name, version ('' where an address says it), address, marker, hashes. Raises Invalid."""
    if len(text) > MAX_LOCK:
        raise Invalid(_("A lock has at most %(most)s characters.") % {"most": MAX_LOCK}, field="requirements")
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        hashes = _HASH.findall(line)
        plain = _HASH.sub("", line).strip()
        try:
            wanted = Requirement(plain)
        except InvalidRequirement:
            raise Invalid(
                _("%(plain)s in the lock is no exact package.") % {"plain": repr(plain[:80])}, field="requirements"
            ) from None
        pins = [one.version for one in wanted.specifier if one.operator in ("==", "===")]
        address = wanted.url or ""
        if len(pins) != 1 and not address:
            raise Invalid(
                _("%(plain)s in the lock names no exact version.") % {"plain": repr(plain[:80])}, field="requirements"
            )
        if not hashes and not address.startswith("git+"):
            raise Invalid(_("%(plain)s in the lock has no hash.") % {"plain": repr(plain[:80])}, field="requirements")
        found.append(
            {
                "name": canonicalize_name(wanted.name),
                "version": pins[0] if pins else "",
                "address": address,
                "marker": str(wanted.marker or ""),
                "hashes": hashes,
            }
        )
    return sorted(found, key=lambda one: (one["name"], one["version"]))


def check_place(python: str, platform: str) -> None:
    """Raises Invalid for what is no Python such as 3.11 or no platform such as linux-x86_64."""
    if not _PYTHON.match(python):
        raise Invalid(
            _("Python is given as 3.11 or the like, not %(python)s.") % {"python": repr(python[:20])}, field="python"
        )
    if not _PLATFORM.match(platform):
        raise Invalid(
            _("The platform is `any` or one such as linux-x86_64, not %(platform)s.")
            % {"platform": repr(platform[:40])},
            field="platform",
        )


def check_meets(requirements: Sequence[str], packages: Sequence[Mapping[str, Any]]) -> None:
    """That a lock has what was asked for. Raises Invalid that names the first requirement without its package."""
    known: dict[str, list[Mapping[str, Any]]] = {}
    for one in packages:
        known.setdefault(one["name"], []).append(one)
    for line in requirements:
        wanted = Requirement(line)
        found = known.get(canonicalize_name(wanted.name), [])
        # A marker may leave it out on every platform that there is.
        if not found and wanted.marker is None:
            raise Invalid(_("The lock lacks %(line)s.") % {"line": repr(line[:80])}, field="requirements")
        fits = [one for one in found if not one["version"] or wanted.specifier.contains(one["version"], True)]
        if found and not fits and wanted.marker is None:
            raise Invalid(
                _("The lock has %(version)s for %(line)s.") % {"version": found[0]["version"], "line": repr(line[:80])},
                field="requirements",
            )


def differences(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What was installed, before and after: {name, old, new} of the packages whose versions differ."""
    before, after = _versions(old), _versions(new)
    return [
        {"name": name, "old": before.get(name, ""), "new": after.get(name, "")}
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _versions(packages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for one in packages:
        found.setdefault(one["name"], []).append(one["version"] or one["address"])
    return {name: ", ".join(dict.fromkeys(versions)) for name, versions in found.items()}
