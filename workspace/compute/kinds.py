"""What people may choose for each kind of compute target, made whole and safe: words from forms, from the command line
and from the environment of scripts are taken for the numbers that they spell."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from studio.kernel.errors import Invalid
from workspace.compute.schedules import clean_schedule
from workspace.compute.sizes import size_named

LOCAL, INSTANCE, CLUSTER, ATTACHED, JOINED = "local", "instance", "cluster", "attached", "joined"
KINDS = (LOCAL, INSTANCE, CLUSTER, ATTACHED, JOINED)
#: Whose nodes the studio starts and stops.
MANAGED = (INSTANCE, CLUSTER)
PROCESS = "process"
KUBERNETES = "kubernetes"
#: A pool of machines over SSH: what a cluster takes nodes from, and no instance.
SSH = "ssh"
PROVIDERS = (PROCESS, KUBERNETES)
PRIORITIES = ("dedicated", "lowpriority")

MAX_SIZE_NAME = 64
MOST_NODES, MOST_SLOTS, MOST_CPUS, MOST_MEMORY = 100, 64, 1024, 16384
#: Seconds without work until a node of a cluster goes; minutes until an instance stops.
IDLE_SECONDS, IDLE_MINUTES = 120, 60
MOST_IDLE_SECONDS, MOST_IDLE_MINUTES = 7 * 24 * 3600, 7 * 24 * 60

Given = Mapping[str, Any]


def clean_kind(kind: str) -> str:
    """Raises Invalid that names the kinds."""
    if kind not in KINDS:
        raise Invalid(
            _("The kind is one of %(kinds)s, not %(kind)s.")
            % {"kinds": ", ".join(KINDS), "kind": repr(str(kind)[:20])},
            field="kind",
        )
    return kind


def clean_settings(kind: str, given: Given, *, known: Given | None = None) -> dict[str, Any]:
    """All settings of a target of this kind: what is given, else what is `known`, else the default.

    Raises Invalid that names the field, and a word that this kind does not have.
    """
    makers: dict[str, Callable[[Given], dict[str, Any]]] = {CLUSTER: _cluster, INSTANCE: _instance}
    if kind not in makers:
        if given:
            raise Invalid(
                _("A target of the kind %(kind)s has no settings.") % {"kind": kind}, field=str(next(iter(given)))[:40]
            )
        return dict(known or {})
    words = {**(known or {}), **given}
    if isinstance(given.get("node"), Mapping):
        # Who says what a node has does not mean the size that was named before.
        words["vm_size"] = given.get("vm_size", "")
        words["node"] = {**((known or {}).get("node") or {}), **given["node"]}
    if isinstance(given.get("schedule"), Mapping):
        # A line that is changed stays in its time zone.
        words["schedule"] = {**((known or {}).get("schedule") or {}), **given["schedule"]}
    if known and SSH in (words.get("provider"), known.get("provider")) and words["provider"] != known["provider"]:
        raise Invalid(_("A pool of machines stays one, and no other cluster becomes one."), field="provider")
    made = makers[kind](words)
    strange = sorted(str(key) for key in given if key not in made)
    if strange:
        listed = ", ".join(sorted(made))
        raise Invalid(
            _("%(kind)s has no setting %(strange)s.") % {"kind": kind, "strange": repr(strange[0][:40])},
            hint=_("There are: %(names)s.") % {"names": listed},
            field=strange[0][:40],
        )
    return made


def _cluster(words: Given) -> dict[str, Any]:
    least = number(words, "min_nodes", default=0, most=MOST_NODES)
    most = number(words, "max_nodes", default=None, least=1, most=MOST_NODES)
    if least > most:
        raise Invalid(
            _("min_nodes is %(least)s, more than max_nodes, which is %(most)s.") % {"least": least, "most": most},
            field="min_nodes",
        )
    return {
        "provider": _one_of(words, "provider", (*PROVIDERS, SSH)),
        "min_nodes": least,
        "max_nodes": most,
        "idle_seconds_before_scaledown": number(
            words, "idle_seconds_before_scaledown", default=IDLE_SECONDS, most=MOST_IDLE_SECONDS
        ),
        "priority": _one_of(words, "priority", PRIORITIES),
        **_size(words),
    }


def require_hosts(most: int, hosts: int) -> None:
    """Raises Invalid when a pool of so many machines cannot have `most` nodes."""
    if most > hosts:
        told = ngettext(
            "max_nodes is %(most)s, and the pool has %(hosts)s machine.",
            "max_nodes is %(most)s, and the pool has %(hosts)s machines.",
            hosts,
        )
        raise Invalid(told % {"most": most, "hosts": hosts}, hint=_("Each node takes one machine."), field="max_nodes")


def _instance(words: Given) -> dict[str, Any]:
    return {
        "provider": _one_of(words, "provider", PROVIDERS),
        "idle_minutes": number(words, "idle_minutes", default=IDLE_MINUTES, most=MOST_IDLE_MINUTES),
        "schedule": clean_schedule(words.get("schedule") or {}),
        **_size(words),
    }


def _size(words: Given) -> dict[str, Any]:
    """What one node has; 0 processors or memory mean all that its machine has.

    `vm_size` is a name: of a size of ours, which then decides, or of another cloud's machine, which is only kept.
    """
    given = words.get("node") or {}
    if not isinstance(given, Mapping):
        raise Invalid(_("node is an object of cpus, memory_gb and slots."), field="node")
    if strange := sorted(str(key) for key in given if key not in {"cpus", "memory_gb", "slots"}):
        raise Invalid(
            _("A node has cpus, memory_gb and slots, and no %(strange)s.") % {"strange": repr(strange[0][:40])},
            field="node",
        )
    name = words.get("vm_size") or ""
    if not isinstance(name, str) or len(name) > MAX_SIZE_NAME or not name.isprintable():
        raise Invalid(
            _("vm_size is a name of at most %(most)s characters.") % {"most": MAX_SIZE_NAME},
            field="vm_size",
        )
    made = {
        "cpus": number(given, "cpus", default=0, most=MOST_CPUS),
        "memory_gb": number(given, "memory_gb", default=0, most=MOST_MEMORY),
        "slots": number(given, "slots", default=1, least=1, most=MOST_SLOTS),
    }
    return {"vm_size": name, "node": {**made, **(size_named(name) or {})}}


def changes(before: Given, after: Given) -> list[list[Any]]:
    """What differs, as [name, old, new], "" for nothing; what belongs together is told by its parts: node.cpus."""
    found: list[list[Any]] = []
    for key in dict.fromkeys([*after, *before]):
        sides: list[Any] = ["" if side.get(key) is None else side[key] for side in (before, after)]
        if any(isinstance(one, Mapping) for one in sides):
            found += [[f"{key}.{part}", *both] for part, *both in changes(*(one or {} for one in sides))]
        elif sides[0] != sides[1]:
            found.append([key, *sides])
    return found


def number(words: Given, key: str, *, default: int | None, least: int = 0, most: int) -> int:
    """The whole number under `key`, also when it is spelt. Raises Invalid."""
    value = words.get(key)
    if value is None or value == "":
        if default is None:
            raise Invalid(
                _("%(key)s is missing: give a number from %(least)s to %(most)s.")
                % {"key": key, "least": least, "most": most},
                field=key,
            )
        return default
    try:
        # A bool is an int for Python, and digits of other scripts are digits.
        if isinstance(value, bool) or (isinstance(value, str) and not (value.strip().isascii() and len(value) < 10)):
            raise ValueError
        found = int(value) if isinstance(value, str) or float(value) == int(value) else None
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None or not least <= found <= most:
        raise Invalid(
            _("%(key)s is a whole number from %(least)s to %(most)s, not %(value)s.")
            % {"key": key, "least": least, "most": most, "value": repr(str(value)[:20])},
            field=key,
        )
    return found


def _one_of(words: Given, key: str, allowed: tuple[str, ...]) -> str:
    """The first one when nothing is said."""
    value = words.get(key) or allowed[0]
    if value not in allowed:
        raise Invalid(
            _("%(key)s is one of %(allowed)s, not %(value)s.")
            % {"key": key, "allowed": ", ".join(allowed), "value": repr(str(value)[:20])},
            field=key,
        )
    return str(value)
