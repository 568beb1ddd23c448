"""The states of a board, and what of runs' files it shows: values only.

`waiting` for a node, `starting` on one, `ready`; then `stopped`, or `failed` with a reason. Ended ones stay so.
"""

import hashlib
import re
from collections.abc import Iterable

from zaffre.protocol import EnvironmentSpec

WAITING, STARTING, READY = "waiting", "starting", "ready"
STOPPED, FAILED = "stopped", "failed"
#: One of them for a set of runs, and its process is kept alive.
LIVE = (WAITING, STARTING, READY)
#: What a node may say.
REPORTED = (STARTING, READY, FAILED, STOPPED)
#: What a starting one does, in this order.
STAGES = ("environment", "files", "server")

#: The real TensorBoard: the one place that names its version. The node resolves what it needs, once.
ENVIRONMENT = EnvironmentSpec(kind="pip", python=None, requirements=["tensorboard==2.21.0"])

#: What TensorBoard takes for a file of events, in the folders that reach the studio.
EVENT_FILE = r"^(logs|outputs)/(.*/)?[^/]*tfevents[^/]*$"
#: Runs of one board, its files and bytes, and the boards that one workspace has at the same time.
MOST_RUNS, MOST_FILES, MOST_BYTES, MOST_LIVE = 50, 2000, 4 * 1024**3, 8

_ODD = re.compile(r"[^\w.=@+ -]+")


def key_of(run_ids: Iterable[str]) -> str:
    """The name of a set of runs, the same in every order."""
    return hashlib.sha256("\n".join(sorted(set(run_ids))).encode()).hexdigest()


def labels(named: Iterable[tuple[str, str, int]]) -> dict[str, str]:
    """{run id: the folder in which its files lie, and so its name in TensorBoard} for (id, name, number) of runs."""
    found: dict[str, str] = {}
    for id_, name, number in named:
        plain = _ODD.sub("_", name).strip(" .")[:80] or f"run_{number}"
        found[id_] = plain if plain not in found.values() else f"{plain} ({id_[-6:].lower()})"
    return found
