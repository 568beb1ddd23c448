"""The packages of environments as columns that can stand beside each other. No database."""

from collections.abc import Iterable, Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def asked_for(spec: Mapping[str, Any] | None) -> dict[str, str]:
    """{package: what of it} of an environment's recipe; nothing for the node's own Python."""
    return named((spec or {}).get("requirements") or ())


def named(lines: Iterable[str]) -> dict[str, str]:
    """{package: version or condition} of lines such as pip writes; a line that names none stands for itself."""
    found: dict[str, str] = {}
    for line in lines:
        text = str(line).split(" #", 1)[0].strip()
        if not text or text.startswith(("#", "-")):
            continue
        try:
            one = Requirement(text.split(" --hash", 1)[0].rstrip("\\ "))
        except InvalidRequirement:
            found[text[:200]] = "✓"
            continue
        extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
        what = one.url or str(one.specifier) or "*"
        found[canonicalize_name(one.name) + extras] = f"{what}; {one.marker}" if one.marker else what
    return found
