"""What a run asks of its node, and how urgent it is: checking it, without asking anybody."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid
from workspace.references import did_you_mean
from zaffre.protocol import ResourcesSpec

#: Above any machine of today; a bigger number is a mistake.
MAX_CPUS, MAX_MEMORY_GB, MAX_GPUS, MAX_LABELS = 4096, 65536, 1024, 20
LEAST_PRIORITY, MOST_PRIORITY = -100, 100
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}\Z")


def clean_priority(value: object, *, field: str = "config.priority") -> int:
    """A priority as a number; None means 0. Raises Invalid."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not LEAST_PRIORITY <= value <= MOST_PRIORITY:
        raise Invalid(
            _("The priority is a whole number from %(least)s to %(most)s; the higher one starts first.")
            % {"least": LEAST_PRIORITY, "most": MOST_PRIORITY},
            field=field,
        )
    return value


def require_known(value: Mapping[str, object], known: Iterable[str], part: str) -> None:
    """Raise Invalid that names the nearest field when this part of a config has one that it does not take."""
    names = sorted(known)
    if unknown := sorted(str(key)[:40] for key in set(value) - set(names)):
        near = get_close_matches(unknown[0], names, n=1)
        raise Invalid(
            _("%(part)s has no %(unknown)s.") % {"part": part, "unknown": repr(unknown[0])}
            + did_you_mean(near[0] if near else None),
            hint=_("It takes %(names)s.") % {"names": ", ".join(names)},
            field=f"config.{part}.{unknown[0]}",
        )


def clean_resources(value: object) -> ResourcesSpec:
    """The resources with every amount in its one spelling. Raises Invalid that names the field."""
    if not isinstance(value, Mapping):
        raise Invalid(_("resources is an object such as {cpus, memory_gb, gpus, labels}."), field="config.resources")
    require_known(value, ResourcesSpec.__annotations__, "resources")
    found = ResourcesSpec()
    # What is 0 is not asked for, so it is left out: two configs that mean the same are the same.
    if cpus := _amount(value.get("cpus"), "cpus", most=MAX_CPUS):
        found["cpus"] = cpus
    if memory := _amount(value.get("memory_gb"), "memory_gb", most=MAX_MEMORY_GB):
        found["memory_gb"] = memory
    if gpus := _whole(value.get("gpus"), "gpus", most=MAX_GPUS):
        found["gpus"] = gpus
    if labels := _labels(value.get("labels") or {}):
        found["labels"] = labels
    return found


def _amount(value: object, name: str, *, most: int) -> float:
    field = f"config.resources.{name}"
    if value is None or value == 0:
        return 0.0
    # Compared before it is rounded: an int of a thousand digits does not fit a float, and NaN is no amount.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.001 <= value <= most:
        raise Invalid(_("%(name)s is a number above 0, at most %(most)s.") % {"name": name, "most": most}, field=field)
    return round(float(value), 3)


def _labels(value: object) -> dict[str, str]:
    field = "config.resources.labels"
    if not isinstance(value, Mapping) or len(value) > MAX_LABELS:
        raise Invalid(
            _("labels is an object of at most %(most)s names with values.") % {"most": MAX_LABELS},
            field=field,
        )
    for name, text in value.items():
        if not isinstance(name, str) or not _LABEL.match(name):
            raise Invalid(
                _("%(name)s cannot be the name of a label: use letters, digits and . _ / -")
                % {"name": repr(str(name)[:60])},
                field=field,
            )
        if not isinstance(text, str) or len(text) > 63 or not text.isprintable():
            raise Invalid(_("The label %(name)s is a text of at most 63 characters.") % {"name": name}, field=field)
    return dict(value)


def _whole(value: object, name: str, *, most: int) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise Invalid(
            _("%(name)s is a whole number from 0 to %(most)s.") % {"name": name, "most": most},
            field=f"config.resources.{name}",
        )
    return value
