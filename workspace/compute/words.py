"""Why a cluster has its size, an instance its state, why a node ended: decisions as sentences in the reader's language.

What was decided is kept as {code, and the numbers that belong to it}; rows of before have a text, which stays as it is.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from workspace.compute import placement
from workspace.compute.models import ComputeTarget, Happening, Node
from workspace.compute.providers import kubernetes

Why = Mapping[str, Any]

FAILING = "failing"
IDLE_STOP, SCHEDULE = "idle_stop", "schedule"
CHANGED, EVICTED = "changed", "evicted"
#: Of an attached machine; its room says the sentence.
MACHINE = "machine"
LATE, SILENT, TAKEN, MUTE = "late", "silent", "taken", "mute"
#: Codes whose sentence says all: the text of then is for logs.
WHOLE = (kubernetes.NO_CLIENT, kubernetes.NO_CLUSTER, kubernetes.REFUSED)


def sentence(why: Why) -> str:
    """What was decided, as one or two sentences; empty for nothing, and for a code of another time."""
    say = _SENTENCES.get(str(why.get("code", "")))
    if say is None:
        return ""
    try:
        return say(why)
    except (KeyError, TypeError, ValueError):
        return ""


def add_sentence(code: str, say: Callable[[Why], str]) -> None:
    """Another room's decisions in words; called when the app of that room is ready."""
    _SENTENCES[code] = say


def reason_of(target: ComputeTarget) -> str:
    return _joined(target.why, target.reason)


def text_of(happening: Happening) -> str:
    return _joined(happening.why, happening.text)


def note_of(node: Node) -> str:
    """Why it ended, then the last lines of its agent."""
    return _joined(node.why, node.note)


def _joined(why: Why, text: str) -> str:
    return "\n".join(filter(None, (sentence(why), text)))


def _wait(why: Why) -> str:
    n = why["waiting"]
    return ngettext("%(n)d run waits for room.", "%(n)d runs wait for room.", n) % {"n": n}


def _most(why: Why) -> str:
    n = why["most"]
    return ngettext("It may have %(n)d node at most.", "It may have %(n)d nodes at most.", n) % {"n": n}


def _added(why: Why) -> str:
    n = why["added"]
    return ngettext("%(n)d node is added.", "%(n)d nodes are added.", n) % {"n": n}


def _above_max(why: Why) -> str:
    n = why["above"]
    told = ngettext("%(n)d node goes as soon as it is idle.", "%(n)d nodes go as soon as they are idle.", n) % {"n": n}
    return f"{_most(why)} {told}"


def _below_min(why: Why) -> str:
    n = why["least"]
    return ngettext("At least %(n)d node is kept.", "At least %(n)d nodes are kept.", n) % {"n": n} + f" {_added(why)}"


def _shrinking(why: Why) -> str:
    told = {"n": why["released"], "seconds": why["seconds"]}
    return (
        ngettext("%(n)d node was idle for %(seconds)d s.", "%(n)d nodes were idle for %(seconds)d s.", told["n"]) % told
    )


def _nothing_fits(why: Why) -> str:
    n = why["asking"]
    return ngettext(
        "%(n)d run asks for more than this cluster can have.",
        "%(n)d runs ask for more than this cluster can have.",
        n,
    ) % {"n": n}


def _coming(why: Why) -> str:
    n = why["preparing"]
    return f"{_wait(why)} " + ngettext("%(n)d node is coming up.", "%(n)d nodes are coming up.", n) % {"n": n}


def _steady(why: Why) -> str:
    if n := why["waiting"]:
        return ngettext("%(n)d run waits, and there is room.", "%(n)d runs wait, and there is room.", n) % {"n": n}
    return _("It has what it needs.")


def _idle(why: Why) -> str:
    n = why["idle"]
    told = ngettext("%(n)d node is idle.", "%(n)d nodes are idle.", n) % {"n": n}
    return f"{told} " + _("One that stays so for %(seconds)d s is released.") % {"seconds": why["seconds"]}


def _failing(why: Why) -> str:
    told = _("%(n)d nodes did not come up within %(minutes)d minutes: it waits before it tries again.")
    return told % {"n": why["failed"], "minutes": why["minutes"]}


def _idle_stop(why: Why) -> str:
    n = why["minutes"]
    return ngettext("It had nothing to do for %(n)d minute.", "It had nothing to do for %(n)d minutes.", n) % {"n": n}


def _silent(why: Why) -> str:
    n = why["minutes"]
    return ngettext("Nobody has heard of it for %(n)d minute.", "Nobody has heard of it for %(n)d minutes.", n) % {
        "n": n
    }


def _mute(why: Why) -> str:
    n = why["starts"]
    return ngettext(
        "Its agent ended %(n)d time without a word to the studio.",
        "Its agent ended %(n)d times without a word to the studio.",
        n,
    ) % {"n": n}


def _late(why: Why) -> str:
    told = _("It did not register within %(seconds)d s.") % {"seconds": why["seconds"]}
    return " ".join(filter(None, (told, sentence(why.get("then") or {}))))


def _refused(why: Why) -> str:
    told = _("Kubernetes did not do %(verb)s in the namespace %(namespace)s: %(why)s.")
    return told % {"verb": why["verb"], "namespace": why["namespace"], "why": why["why"]}


def _no_client(_why: Why) -> str:
    return _("The Kubernetes client is not installed: pip install -r requirements-kubernetes.in beside the studio.")


def _no_cluster(why: Why) -> str:
    return _("No way to a Kubernetes cluster is configured: %(why)s") % {"why": why["why"]}


def _pod(why: Why) -> str:
    reason = why["reason"]
    if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName"):
        return _("The image of its pod cannot be pulled.")
    if reason == "CrashLoopBackOff":
        return _("The agent in its pod ends again and again.")
    return _("Its pod does not start.")


def _changed(why: Why) -> str:
    return "; ".join(f"{_setting(key)}: {_value(old)} → {_value(new)}" for key, old, new in why["changes"])


def _value(value: Any) -> str:
    return "–" if value == "" else str(value)


def _setting(key: str) -> str:
    """The name of a setting, as forms have it."""
    if key.startswith("tags."):
        return _("Tag %(name)s") % {"name": key.removeprefix("tags.")}
    return {
        "description": _("Description"),
        "owner": _("Owner"),
        "provider": _("Provider"),
        "min_nodes": _("Fewest nodes"),
        "max_nodes": _("Most nodes"),
        "idle_seconds_before_scaledown": _("Seconds without work until a node goes"),
        "idle_minutes": _("Minutes without work until it stops"),
        "priority": _("Priority"),
        "vm_size": _("Size"),
        "node.cpus": _("Processors"),
        "node.memory_gb": _("Memory (GB)"),
        "node.slots": _("Runs at the same time"),
        "schedule.start": _("Start"),
        "schedule.stop": _("Stop"),
        "schedule.time_zone": _("Time zone"),
    }.get(key, key)


_SENTENCES: dict[str, Callable[[Why], str]] = {
    placement.ABOVE_MAX: _above_max,
    placement.AT_MAX: lambda why: f"{_wait(why)} {_most(why)}",
    placement.GROWING: lambda why: f"{_wait(why)} {_added(why)}",
    placement.BELOW_MIN: _below_min,
    placement.SHRINKING: _shrinking,
    placement.NOTHING_FITS: _nothing_fits,
    placement.COMING: _coming,
    placement.STEADY: _steady,
    placement.IDLE: _idle,
    FAILING: _failing,
    IDLE_STOP: _idle_stop,
    SCHEDULE: lambda _why: _("Its schedule says so."),
    CHANGED: _changed,
    # Names are the same in each language; an environment that no version here has any more is known by its digest.
    EVICTED: lambda why: ", ".join(f"{name}:{version}" for name, version in why["versions"]) or why["digest"][:12],
    LATE: _late,
    SILENT: _silent,
    TAKEN: lambda _why: _("The machine was taken away."),
    MUTE: _mute,
    kubernetes.NO_CLIENT: _no_client,
    kubernetes.NO_CLUSTER: _no_cluster,
    kubernetes.REFUSED: _refused,
    kubernetes.POD: _pod,
}
