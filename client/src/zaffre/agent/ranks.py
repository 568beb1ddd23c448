"""What the processes of a run are told of each other, and the plan by which `zaffre.ranks` starts them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from zaffre.agent.disk import read_json, write_json
from zaffre.agent.job import StepFailed
from zaffre.agent.outputs import USER_LOGS
from zaffre.agent.seats import distribution_of, processes_of, rank_of

if TYPE_CHECKING:
    from zaffre.agent.job import Job

_NO_MPI = (
    "The run asks for MPI, and {name} is not on this node's PATH. Install Open MPI 4 on every node of the target"
    " (Debian, Ubuntu: openmpi-bin), or take an environment that brings it. Several nodes need the same version."
)
#: Of the failed process that a reason shows.
_SHOWN_LINES = 20


def command_of(job: Job, argv: List[str], path: str) -> List[str]:
    """The words that start all processes of this node; `argv` alone where there is one that nobody joins.

    `path` is where programs are looked for. Raises StepFailed when the launcher that was asked for is not here.
    """
    spec = job.spec
    kind = distribution_of(spec).get("kind")
    if not kind:
        return argv
    if job.container is not None:
        raise StepFailed(
            "launch_failed",
            f"The run has a distribution ({kind}), and its environment is an image. The processes of a distribution are"
            " started in environments of packages only: take one of these, or submit the run without the distribution"
            " (distributed_job_config), as one process on one node.",
        )
    count, first = processes_of(spec), rank_of(spec) * processes_of(spec)
    plan: Dict[str, Any] = {
        "argv": argv,
        "cwd": str(job.place.work),
        "ranks": [first + local for local in range(count)],
        "size": count * len(job.meeting),
        "env": [variables(spec, job.meeting, local) for local in range(count)],
        "folder": str(job.place.work / USER_LOGS),
        "failed": str(_failed(job)),
        "hide": [str(one).partition("=")[0] for one in (spec.get("config") or {}).get("secrets") or []],
        "mpi": _mpi(job, path) if kind == "mpi" else None,
    }
    place = job.place.home / ".zaffre-ranks.json"
    write_json(place, plan)
    _failed(job).unlink(missing_ok=True)
    # By its path: with -m a file of the run named like one of the standard library would come before it.
    return [job.python, f"{job.shop.sdk}/zaffre/ranks.py", str(place)]


def _failed(job: Job) -> Any:
    return job.place.home / ".zaffre-ranks-failed.json"


def _mpi(job: Job, path: str) -> Dict[str, Any]:
    """What `zaffre.mpi` starts this node's ranks by. Raises StepFailed when this node has no MPI."""
    rank = rank_of(job.spec)
    names = ("mpirun", "mpiexec") if rank == 0 else ("orted",)
    found = next(filter(None, (shutil.which(name, path=path) for name in names)), None)
    if found is None:
        raise StepFailed("launch_failed", _NO_MPI.format(name=names[0]))
    return {
        "program": found,
        "processes": processes_of(job.spec),
        "rank": rank,
        "addresses": [str(one["address"]) for one in job.meeting],
        # The last port of the first node is not a process's.
        "port": int(job.meeting[0]["ports"][-1]),
        "secret": job.meeting_secret,
        "run": f"{job.run}.{job.attempt}",
        "folder": str(job.place.home / ".zaffre-mpi"),
    }


def variables(spec: Mapping[str, Any], meeting: Sequence[Mapping[str, Any]], local: int) -> Dict[str, str]:
    """What process number `local` of this node finds in its environment, in the words of the frameworks."""
    told = distribution_of(spec)
    count, node, nodes = processes_of(spec), rank_of(spec), len(meeting)
    master, port = str(meeting[0]["address"]), int(meeting[0]["ports"][0])
    found = {
        "MASTER_ADDR": master,
        "MASTER_PORT": str(port),
        "NODE_RANK": str(node),
        "GROUP_RANK": str(node),
        "RANK": str(node * count + local),
        "LOCAL_RANK": str(local),
        "LOCAL_WORLD_SIZE": str(count),
        "WORLD_SIZE": str(nodes * count),
        "AZUREML_NODE_COUNT": str(nodes),
        "AZ_BATCHAI_MPI_MASTER_NODE": master,
        "AZ_BATCH_MASTER_NODE": f"{master}:{port}",
        "AZ_BATCH_NODE_LIST": ";".join(str(one["address"]) for one in meeting),
    }
    if told.get("kind") == "pytorch":
        found |= {"AZ_BATCHAI_PYTORCH_INIT_METHOD": f"tcp://{master}:{port}", "AZ_BATCHAI_TASK_INDEX": found["RANK"]}
    if told.get("kind") == "mpi":  # mpirun says which rank a process has
        for name in ("RANK", "LOCAL_RANK"):
            del found[name]
    if told.get("backend"):
        found["ZAFFRE_BACKEND"] = str(told["backend"])
    if told.get("kind") == "tensorflow":
        found["TF_CONFIG"] = json.dumps(_cluster(meeting, node, local, int(told.get("parameter_servers") or 0)))
    return found


def _cluster(meeting: Sequence[Mapping[str, Any]], node: int, local: int, servers: int) -> Dict[str, Any]:
    """The cluster of TensorFlow: the last `servers` nodes are parameter servers, the others workers."""
    workers = len(meeting) - servers
    tasks: Dict[str, List[str]] = {"worker": [], "ps": []}
    own: Tuple[str, int] = ("worker", 0)
    for one in meeting:
        kind = "worker" if int(one["rank"]) < workers else "ps"
        for at, port in enumerate(one["ports"]):
            if (int(one["rank"]), at) == (node, local):
                own = (kind, len(tasks[kind]))
            tasks[kind].append(f"{one['address']}:{port}")
    cluster = {kind: found for kind, found in tasks.items() if found}
    return {"cluster": cluster, "task": {"type": own[0], "index": own[1]}}


def failure(job: Job) -> Optional[Dict[str, Any]]:
    """{message, exit_code, signal, at} of the process that failed first on this node; None when none did."""
    if not distribution_of(job.spec):
        return None
    found = read_json(_failed(job))
    if not isinstance(found, dict) or not isinstance(found.get("code"), int):
        return None
    code, rank, at = found["code"], str(found.get("rank"))[:10], found.get("at")  # the code may have written it
    how = f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
    last = _traceback(str(found.get("tail") or ""))
    return {
        "message": f"Rank {rank} {how}." + (f"\n{last}" if last else ""),
        "exit_code": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
        "at": at if isinstance(at, float) and 0 < at < 1e11 else None,
    }


def _traceback(text: str) -> str:
    """The last traceback in the text, else its last lines."""
    at = text.rfind("Traceback (most recent call last)")
    lines = (text[at:] if at >= 0 else text).strip().splitlines()
    if len(lines) > _SHOWN_LINES:
        lines = ["…", *lines[-_SHOWN_LINES:]]
    return "\n".join(lines)
