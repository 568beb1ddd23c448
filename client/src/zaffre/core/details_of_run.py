"""What is known of a run, in the words and forms of the Azure ML SDK v1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from zaffre import protocol
from zaffre.core.notebook import as_table
from zaffre.errors import UserErrorException

if TYPE_CHECKING:
    from zaffre.core.environment import Environment
    from zaffre.core.experiment import Experiment
    from zaffre.core.workspace import Workspace
    from zaffre.protocol import FileEntry
    from zaffre.transport import Client

#: What a run printed, as `get_details()["logFiles"]` and `download_file` name it; and what it was called before.
LOG_FILE = "user_logs/std_log.txt"
NAMES_OF_LOG = (LOG_FILE, "azureml-logs/70_driver_log.txt", "azureml-logs/80_driver_log.txt")
#: What the Azure ML SDK calls a submitted script.
_TYPES = {"script": "azureml.scriptrun"}
_GIT = {"remote": "repository_uri", "branch": "branch", "commit": "commit", "dirty": "dirty"}
#: Longer ones are told by the first characters only, so that a notebook that prints details stays readable.
_MOST_OF_A_LOG = 16 << 20


class DetailsOfRun:
    """The part of `Run` that tells what it is."""

    client: "Client"
    workspace: "Workspace"
    experiment: "Experiment"
    address: str
    id: str

    if TYPE_CHECKING:

        @property
        def known(self) -> Dict[str, Any]: ...

        def refresh(self) -> Dict[str, Any]: ...

        def list_files(self, prefix: str = "") -> "list[FileEntry]": ...

        def _address_of(self, name: str) -> str: ...

    @property
    def kind(self) -> str:
        """`script` when it was submitted, `interactive` when a process elsewhere carries it on."""
        return str(self.known["kind"])

    @property
    def type(self) -> str:
        """The kind in the words of the Azure ML SDK."""
        return _TYPES.get(self.kind, self.kind)

    def get_status(self) -> str:
        """Where it is now: Queued, Preparing, Running, NotResponding, Completed, Failed, Canceled…"""
        return status_of(self.refresh())

    def get_details(self) -> Dict[str, Any]:
        """What the studio knows of it now, in the form of the Azure ML SDK.

        `logFiles` has the address of each log; a browser that is logged in opens it.
        """
        found = self.refresh()
        git = found.get("git") or {}
        properties = {f"azureml.git.{_GIT[key]}": str(git[key]) for key in _GIT if key in git}
        properties.update(
            {f"mlflow.source.git.{_GIT[key]}": str(git[key]) for key in ("branch", "commit") if key in git}
        )
        if found.get("snapshot"):
            properties["ContentSnapshotId"] = found["snapshot"]
        details: Dict[str, Any] = {
            "runId": self.id,
            "target": found.get("target"),
            "status": status_of(found),
            "startTimeUtc": found.get("started"),
            "endTimeUtc": found.get("ended"),
            "properties": {**properties, **(found.get("properties") or {})},
            "inputDatasets": [{"name": name, **given} for name, given in (found.get("inputs") or {}).items()],
            "outputDatasets": [],
            "runDefinition": _definition(found),
            "logFiles": {name: f"{self.client.url}{address}" for name, address in self._log_addresses().items()},
            "warnings": [{"source": "zaffre", "message": text} for text in found.get("warnings") or []],
            "submittedBy": found.get("submitted_by"),
        }
        reason = found.get("reason")
        if reason:
            details["error"] = {"error": {"code": reason.get("code"), "message": reason.get("message")}}
        return details

    def get_details_with_logs(self) -> Dict[str, Any]:
        """`get_details()` with the text of each log in `logFiles`, and what the run printed also as `log`."""
        details = self.get_details()
        texts = {name: self._text_of(address) for name, address in self._log_addresses().items()}
        return {**details, "logFiles": texts, "log": texts[LOG_FILE]}

    def _log_addresses(self) -> Dict[str, str]:
        """The address of each log: what was printed, what each of several processes printed, the files in logs/."""
        several = (self.known.get("config") or {}).get("distribution")
        files = [*(self.list_files("user_logs/") if several else ()), *self.list_files("logs/")]
        return {LOG_FILE: f"{self.address}/log", **{one["path"]: self._address_of(one["path"]) for one in files}}

    def _text_of(self, address: str) -> str:
        taken = bytearray()
        self.client.call("GET", address, stream_to=lambda piece: taken.extend(piece[: _MOST_OF_A_LOG - len(taken)]))
        return taken.decode("utf-8", "replace")

    def get_portal_url(self) -> str:
        """The page of the run."""
        return str(self.known["url"])

    def get_environment(self) -> "Environment":
        """The environment that it was given. Raises UserErrorException when it has none."""
        from zaffre.core.environment import Environment

        name, _, version = str(self.known.get("environment") or "").partition(":")
        if not name:
            raise UserErrorException(f"The run {self.id} has no environment.")
        return Environment.get(self.workspace, name, version)

    def _repr_html_(self) -> str:
        page, space = self.get_portal_url(), self.workspace
        return as_table(
            [
                ("Experiment", self.experiment.name, self.experiment.get_portal_url()),
                ("Id", self.id, ""),
                ("Type", self.type, ""),
                ("Status", status_of(self.known), ""),
                ("Details Page", "Link to the studio", page),
                ("Workspace", space.name, space.get_portal_url()),
            ]
        )


def _definition(found: Mapping[str, Any]) -> Dict[str, Any]:
    """How it was submitted: our own keys, and the names that scripts of then index."""
    config = dict(found.get("config") or {})
    name, _, version = str(found.get("environment") or "").partition(":")
    variables = config.get("environment_variables") or {}
    return {
        **config,
        "useAbsolutePath": False,
        "arguments": list(config.get("arguments") or []),
        "target": found.get("target"),
        "nodeCount": int(config.get("node_count") or 1),
        "maxRunDurationSeconds": config.get("max_duration_seconds"),
        "environment": {"name": name, "version": version, "environmentVariables": variables} if name else None,
        "data": {key: dict(given) for key, given in (found.get("inputs") or {}).items()},
        "outputData": {},
        "dataReferences": {},
    }


def status_of(found: Mapping[str, Any]) -> str:
    """The state of a run in the words of the Azure ML SDK."""
    if found["status"] == protocol.RUNNING and found.get("reachable") is False:
        return "NotResponding"
    return status_word(found["status"])


def status_word(status: str) -> str:
    """cancel_requested as CancelRequested, and so on."""
    return "".join(part.capitalize() for part in status.split("_"))


def state_of(word: str) -> str:
    """CancelRequested as cancel_requested, and so on; our own words stay."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower()


def failure_text(found: Mapping[str, Any]) -> str:
    """Why a run failed, with the end of its log."""
    reason: Optional[str] = (found.get("reason") or {}).get("message")
    tail = str(found.get("log_tail") or "").strip().splitlines()[-15:]
    listed = "".join(f"\n  {line}" for line in tail)
    return f"Run {found['id']} failed: {reason or 'It ended as ' + found['status'] + '.'}{listed}"
