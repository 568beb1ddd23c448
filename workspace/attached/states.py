"""The course of an attached machine, and how long to wait between tries. No Django, no database."""

CONNECTING, CONFIRM, INSTALLING, RUNNING = "connecting", "confirm", "installing", "running"
UNREACHABLE, FAILED, DETACHING, LEFTOVER = "unreachable", "failed", "detaching", "leftover"
STATES = (CONNECTING, CONFIRM, INSTALLING, RUNNING, UNREACHABLE, FAILED, DETACHING, LEFTOVER)

#: What is done on the machine, in its order, as the page ticks it off.
CONNECT, HOST_KEY, LOG_IN, PYTHON, COPY, INSTALL, START, ONLINE = STEPS = (
    "connect",
    "host_key",
    "log_in",
    "python",
    "copy",
    "install",
    "start",
    "online",
)
WAITING, BUSY, DONE, BROKEN = "waiting", "busy", "done", "failed"

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


def pause(failures: int) -> float:
    """Seconds before the next try after so many failures in a row: 1, 2, 4 … 60."""
    return min(_FIRST_PAUSE * 2 ** min(max(failures - 1, 0), 10), _LONGEST_PAUSE)


def fresh() -> list[dict[str, str]]:
    """The list of steps before the first."""
    return [{"name": name, "state": WAITING, "note": ""} for name in STEPS]


def ticked(steps: list[dict[str, str]], name: str, state: str, note: str = "") -> list[dict[str, str]]:
    """The list with one step in another state; those before one that is at work are done."""
    at = STEPS.index(name)
    found = []
    for place, one in enumerate(steps):
        if one["name"] == name:
            found.append({"name": name, "state": state, "note": note or one["note"]})
        elif place < at and one["state"] in {WAITING, BUSY}:
            found.append({**one, "state": DONE})
        else:
            found.append(one)
    return found
