"""A run: from outside to watch and use it, from inside to log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from zaffre import protocol
from zaffre.core.details_of_run import DetailsOfRun, failure_text, status_word
from zaffre.core.family import FamilyOfRun
from zaffre.core.files_of_run import FilesOfRun
from zaffre.core.keyvault import SecretsOfRun
from zaffre.core.logs import Logs
from zaffre.core.metrics_of_run import MetricsOfRun
from zaffre.errors import ActivityFailedException, UserErrorException
from zaffre.recorder import Recorder, flush_all, spool_of
from zaffre.transport import segment
from zaffre.values import check_key

if TYPE_CHECKING:
    from zaffre.core.experiment import Experiment, Wanted
    from zaffre.core.inputs import InputDataset
    from zaffre.core.model import Model
    from zaffre.core.offline import OfflineRun
    from zaffre.core.outputs_of_run import OutputsFolder
    from zaffre.core.workspace import Workspace

__all__ = ["Run", "failure_text", "get_run", "status_word"]


class Run(DetailsOfRun, FilesOfRun, MetricsOfRun, FamilyOfRun, SecretsOfRun, Logs):
    """One run. Its status has the words of the Azure ML SDK: Queued, Running, Completed, Failed, Canceled…"""

    def __init__(self, experiment: "Experiment", run_id: str) -> None:
        self.experiment = experiment
        self.workspace: "Workspace" = experiment.workspace
        self.client = self.workspace.client
        self.id = run_id
        #: Reading goes through the workspace's door; code of the run writes through its own.
        self.address = f"{self.workspace.path}/runs/{segment(run_id)}"
        self.own_address = self.address
        self.blobs_address = f"{self.workspace.path}/blobs"
        self.inside = False
        #: Begun by the script that this process belongs to, and ended by it.
        self.is_child = False
        #: A folder that is sent as outputs/ at the end, or what watches the one of the current folder.
        self._outputs: "Union[str, OutputsFolder, None]" = None
        self._found: Optional[Dict[str, Any]] = None
        self._made_recorder: Optional[Recorder] = None
        self._spool: Path = spool_of(run_id)

    @classmethod
    def from_json(cls, experiment: "Experiment", found: Mapping[str, Any]) -> "Run":
        """As the studio tells it."""
        made = cls(experiment, found["id"])
        made._found = dict(found)
        return made

    @classmethod
    def get(cls, workspace: "Workspace", run_id: str) -> "Run":
        """A run by its id. Raises NotFound."""
        from zaffre.core.experiment import Experiment

        found = workspace.client.get(f"{workspace.path}/runs/{segment(run_id)}")
        return cls.from_json(Experiment(workspace, found["experiment"]), found)

    @staticmethod
    def list(
        experiment: "Experiment",
        type: Optional[str] = None,
        tags: "Wanted" = None,
        properties: "Wanted" = None,
        status: Optional[str] = None,
        include_children: bool = False,
    ) -> "Iterator[Run]":
        """The runs of an experiment, as `Experiment.get_runs` gives them."""
        return experiment.get_runs(type, tags, properties, include_children, status=status)

    @classmethod
    def get_context(cls, allow_offline: bool = True, **_: Any) -> "Union[Run, OfflineRun]":
        """The run that this code belongs to; started by hand, an offline run, which prints what is logged.

        Raises UserErrorException instead of giving an offline run with `allow_offline=False`.
        """
        from zaffre.context import current_run

        return current_run(allow_offline=allow_offline)

    #: The name of then.
    get_submitted_run = get_context

    def reproduce(self, compute_target: Optional[str] = None) -> "Run":
        """Submit the same code, environment, data and words once more; elsewhere if a target is named.

        Returns the new run. Whether its numbers agree says its `agreement()`. Raises Refused for a run without code.
        """
        made = self.client.post(f"{self.address}/reproduce", {"target": compute_target or ""})
        return Run.from_json(self.experiment, made)

    def agreement(self, other: "Optional[Run]" = None, *, close: float = 1e-6) -> Dict[str, Any]:
        """Whether the numbers are those of `other`, by default of the run that this one reproduces.

        {same: {code, environment, data, words}, metrics: [{key, first, second, relative, verdict}], agrees}; `first` is
        the other's, `agrees` is None before both have ended. Numbers agree up to a relative difference of `close`.
        """
        asked = {"with": other.id} if other is not None else {}
        return dict(self.client.get(f"{self.address}/agreement", close=repr(close), **asked))

    # --- what it is ------------------------------------------------------------------------------
    @property
    def known(self) -> Dict[str, Any]:
        """The studio's JSON as it was asked last."""
        return self._found if self._found is not None else self.refresh()

    def refresh(self) -> Dict[str, Any]:
        """Ask the studio again; returns its JSON."""
        self._found = dict(self.client.get(self.own_address))
        return self._found

    @property
    def number(self) -> int:
        return int(self.known["number"])

    @property
    def name(self) -> str:
        return str(self.known["name"])

    @property
    def display_name(self) -> str:
        return self.name

    @display_name.setter
    def display_name(self, name: str) -> None:
        self._patch(name=name)

    @property
    def description(self) -> str:
        return str(self.known["description"])

    @description.setter
    def description(self, text: str) -> None:
        self._patch(description=text)

    @property
    def status(self) -> str:
        return self.get_status()

    @property
    def tags(self) -> Dict[str, str]:
        return self.get_tags()

    @property
    def properties(self) -> Dict[str, str]:
        return self.get_properties()

    @property
    def input_datasets(self) -> "Dict[str, InputDataset]":
        """Inside of the run, its inputs by name: each acts as the path of its folder, or of its one file."""
        from zaffre.core.inputs import inputs_of_this_process

        return inputs_of_this_process() if self.inside and not self.is_child else {}

    # --- words about it -------------------------------------------------------------------------
    def tag(self, key: str, value: Any = None) -> None:
        """Set a tag; inside of the run it is sent in the background."""
        text = "" if value is None else str(value)
        if self.inside:
            self._recorder.tag(key, text)
        else:
            self.set_tags({key: text})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        for key in tags:
            check_key(key)
        self._patch(tags={key: "" if value is None else str(value) for key, value in tags.items()})

    def remove_tags(self, tags: List[str]) -> None:
        self._patch(tags=dict.fromkeys(tags))

    def get_tags(self) -> Dict[str, str]:
        self._flush_own()
        return dict(self.refresh().get("tags") or {})

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Properties stay as they are once they are set. Raises Refused for another value."""
        self._patch(properties={str(key): str(value) for key, value in properties.items()})

    def get_properties(self) -> Dict[str, str]:
        return dict(self.refresh().get("properties") or {})

    def _patch(self, **changes: Any) -> None:
        self._found = dict(self.client.patch(self.own_address, changes))

    # --- metrics ---------------------------------------------------------------------------------
    @property
    def _recorder(self) -> Recorder:
        if self._made_recorder is None:
            later = "The node sends them." if self.inside else f"Send them with: zaffre run resend {self.id}"
            self._made_recorder = Recorder(
                self.client, self.own_address, self._spool, later=later, own_spool=not self.inside
            )
        return self._made_recorder

    def _point(self, name: str, value: Any, step: Optional[int]) -> None:
        (self._made_recorder or self._recorder).log(name, value, step)

    def _points(self, name: str, values: Sequence[float]) -> None:
        self._recorder.log_many(name, values)

    def _item(self, name: str, kind: str, value: Any, step: Optional[int], description: str) -> None:
        self._recorder.item(name, kind, value, step, description)

    def _describe(self, name: str, text: str) -> None:
        self._recorder.describe(check_key(name), text)

    def flush(self, timeout_seconds: float = 60.0) -> None:
        """Wait until what was logged is with the studio, `timeout_seconds` at most."""
        if self._made_recorder is not None:
            self._made_recorder.flush(timeout_seconds)

    def _flush_own(self) -> None:
        """Also what another object of this process logged to the same run."""
        flush_all(self.own_address, 10.0)

    # --- its end ----------------------------------------------------------------------------------
    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> Dict[str, Any]:
        """Wait for the end, printing the log as it grows with `show_output`; returns `get_details()`.

        `wait_post_processing` says nothing new: its files are kept when it has ended. Raises ActivityFailedException
        when it did not complete, unless `raise_on_error=False`.
        """
        from zaffre import following

        if show_output:
            print(f"RunId: {self.id}\nWeb View: {self.get_portal_url()}\n", flush=True)  # noqa: T201
            self._found = following.follow(
                self.client, self.workspace.name, self.id, write=_out, note=lambda text: _out(f"· {text}\n")
            )
            _out(f"\nExecution Summary\n=================\nRunId: {self.id}\nWeb View: {self.get_portal_url()}\n\n")
        else:
            self._found = following.wait(self.client, self.workspace.name, self.id)
        if self._found["status"] == protocol.FAILED and raise_on_error:
            raise ActivityFailedException(
                failure_text(self._found), code=(self._found.get("reason") or {}).get("code", "failed")
            )
        return self.get_details()

    def cancel(self) -> None:
        """Ask for its end; the script gets SIGTERM and a time to leave."""
        if self.is_child:
            self._end(protocol.CANCELED)
            return
        self._found = dict(self.client.post(f"{self.address}/cancel", {}))

    def delete(self, forever: bool = False) -> None:
        """Put it into the recycle bin with all below it, where it can be restored for some days.

        With `forever` it is removed from the bin, too, and its storage is free. Raises Refused for a run that goes on.
        """
        if self.client.get(f"{self.address}/freed")["deleted"] is None:
            self.client.delete(self.address)
        if forever:
            self.client.call("DELETE", self.address, query={"forever": 1})

    def restore(self) -> None:
        """Take it out of the recycle bin, with what was deleted together with it."""
        self._found = dict(self.client.post(f"{self.address}/restore", {}))

    def archive(self, archived: bool = True) -> None:
        """Hide it, with all below it, from the lists of runs; with `archived=False` show it again."""
        self._found = dict(self.client.post(f"{self.address}/archive", {"archived": archived}))

    def complete(self) -> None:
        """End an interactive run well. In a submitted script it only flushes: the run ends with its script."""
        self._end(protocol.COMPLETED)

    def fail(self, error_details: Any = None, error_code: Optional[str] = None) -> None:
        """End an interactive run as failed. Raises UserErrorException in a submitted script: let that one fail."""
        if self.inside and not self.is_child:
            raise UserErrorException("A submitted run fails when its script does: raise, or sys.exit(1).")
        said = "" if error_details is None else str(error_details)
        self._end(protocol.FAILED, f"{error_code}: {said}" if error_code else said)

    def _end(self, status: str, message: str = "") -> None:
        flush_all(self.own_address, 60.0)
        if self._made_recorder is not None:
            self._made_recorder.close(60.0)
        if not self.inside or self.is_child:
            if isinstance(self._outputs, str):
                if Path(self._outputs).is_dir():
                    self._upload_folder("outputs", self._outputs)
            elif self._outputs is not None:
                self._upload(self._outputs.written())
            body = {"status": status, "message": message[:2000]}
            self._found = dict(self.client.post(f"{self.own_address}/end", body))

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.complete()
        elif not self.inside or self.is_child:
            self.fail(f"{type(error).__name__}: {error}")

    def start(self) -> None:
        """Nothing: a run that code can log to has been started."""

    def register_model(
        self,
        model_name: str,
        model_path: Optional[str] = None,
        tags: Optional[Mapping[str, str]] = None,
        properties: Optional[Mapping[str, str]] = None,
        model_framework: Optional[str] = None,
        model_framework_version: Optional[str] = None,
        description: Optional[str] = None,
        datasets: Any = None,
        sample_input_dataset: Any = None,
        sample_output_dataset: Any = None,
        resource_configuration: Any = None,
    ) -> "Model":
        """Make a version of the model out of this run's files below `model_path` (default: `outputs`).

        Inside of the run, files that lie there on disk and were not uploaded yet are uploaded first. Datasets and
        resources of a model mean nothing here; a version of the framework becomes a property.
        Raises ModelPathNotFoundException, which lists the run's files, when there are none.
        """
        from zaffre.core.model import Model

        path = (model_path or "outputs").replace("\\", "/")
        while path.startswith("./"):
            path = path[2:]
        path = path.rstrip("/")
        if self.inside and Path(path).exists():
            self._upload_place(path, Path(path))
        said = {**(properties or {})}
        if model_framework_version:
            said.setdefault("model_framework_version", str(model_framework_version))
        framework = None if model_framework is None else str(getattr(model_framework, "value", model_framework))
        return Model._from_run(self, model_name, path, tags, said, framework, description or "")

    def __repr__(self) -> str:
        return f"Run({self.id!r}, experiment={self.experiment.name!r}, workspace={self.workspace.name!r})"


def _out(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def __getattr__(name: str) -> Any:
    """What scripts of then import beside Run, to ask whether they were submitted."""
    if name == "_SubmittedRun":
        return Run
    if name in ("OfflineRun", "_OfflineRun"):
        from zaffre.core.offline import OfflineRun

        return OfflineRun
    raise AttributeError(f"module 'zaffre.core.run' has no attribute {name!r}")


def get_run(experiment: "Experiment", run_id: str, rehydrate: bool = True) -> Run:
    """`Run.get` with the words of then. Raises NotFound."""
    return Run.get(experiment.workspace, run_id)
