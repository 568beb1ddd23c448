"""The run of a script that is started by hand: it prints what would be logged, and keeps no file."""

from __future__ import annotations

import uuid
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from zaffre import protocol
from zaffre.core.logs import Logs, merged_table, number_text
from zaffre.errors import UserErrorException
from zaffre.values import as_number, cells_from_wire, check_key

_FROM_CONFIG = "Use Workspace.from_config() where the script is started by hand."
_INSTEAD = {
    "experiment": _FROM_CONFIG,
    "workspace": _FROM_CONFIG,
    "get_secret": "Read an environment variable where the script is started by hand.",
    "get_secrets": "Read environment variables where the script is started by hand.",
    "register_model": "Submit the script, or use Model.register(workspace, model_path, model_name).",
    "submit_child": "Use Experiment(workspace, name).submit(config).",
}


class OfflineError(UserErrorException, AttributeError):
    """An offline run has no such thing."""


class OfflineRun(Logs):
    """What `Run.get_context()` gives outside of the studio."""

    status = "Running"
    inside = False
    kind = type = "offline"

    def __init__(self, parent: "Optional[OfflineRun]" = None, name: Optional[str] = None) -> None:
        self.id = f"OfflineRun_{uuid.uuid4()}"
        self.name = self.display_name = name or "offline"
        self.description = ""
        self.number = 0
        self.parent = parent
        self.input_datasets: Dict[str, Any] = {}
        self.output_datasets: Dict[str, Any] = {}
        self._tags: Dict[str, Any] = {}
        self._properties: Dict[str, str] = {}
        self._steps: Dict[str, List[int]] = {}
        self._values: Dict[str, List[Any]] = {}
        self._tables: Dict[str, List[Dict[str, List[Any]]]] = {}
        self._children: List[OfflineRun] = []

    def __getattr__(self, name: str) -> Any:
        """What only the studio has. Raises OfflineError, which old scripts catch as AttributeError."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise OfflineError(
            f"This run is offline, because its script was started by hand: it has no `{name}`.", hint=_INSTEAD.get(name)
        )

    # --- logging ---------------------------------------------------------------------------------
    def _point(self, name: str, value: Any, step: Optional[int]) -> None:
        check_key(name)
        steps = self._steps.setdefault(name, [])
        steps.append(steps[-1] + 1 if step is None and steps else step or 0)
        self._values.setdefault(name, []).append(as_number(value))
        self._say(f"{name} = {number_text(value)}" + (f" (step {step})" if step is not None else ""))

    def _points(self, name: str, values: Sequence[float]) -> None:
        for value in values:
            self._point(name, value, None)

    def _item(self, name: str, kind: str, value: Any, step: Optional[int], description: str) -> None:
        check_key(name)
        if kind in (protocol.ROW, protocol.TABLE):
            self._tables.setdefault(name, []).append(value)
            rows = len(next(iter(value.values())))
            shown = (
                ", ".join(f"{column} = {cells[0]}" for column, cells in value.items()) if rows == 1 else f"{rows} rows"
            )
            self._say(f"{name}: {shown}")
            return
        plain = value["path"] if isinstance(value, dict) and "path" in value else value
        self._values.setdefault(name, []).append(plain)
        self._say(f"{name} = {plain}" if kind == protocol.TEXT else f"{name}: {kind}")

    def _describe(self, name: str, text: str) -> None:
        """A description is for pages."""

    def _file(self, path: str, content: bytes) -> str:
        self._say(f"{path}: {len(content)} bytes, not kept")
        return path

    # --- words about it --------------------------------------------------------------------------
    def tag(self, key: str, value: Any = None) -> None:
        self._tags[check_key(key)] = value
        self._say(f"tag {key} = {value}")

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        for key, value in tags.items():
            self.tag(key, value)

    def remove_tags(self, tags: List[str]) -> None:
        for key in tags:
            self._tags.pop(key, None)

    def get_tags(self) -> Dict[str, Any]:
        return dict(self._tags)

    def add_properties(self, properties: Mapping[str, Any]) -> None:
        """Properties stay as they are once they are set. Raises UserErrorException for another value."""
        for key, value in properties.items():
            if self._properties.get(key, str(value)) != str(value):
                raise UserErrorException(f"The property {key!r} is {self._properties[key]!r} and cannot be changed.")
        self._properties.update({str(key): str(value) for key, value in properties.items()})

    def get_properties(self) -> Dict[str, str]:
        return dict(self._properties)

    @property
    def tags(self) -> Dict[str, Any]:
        return self.get_tags()

    @property
    def properties(self) -> Dict[str, str]:
        return self.get_properties()

    def get_metrics(
        self,
        name: Optional[str] = None,
        recursive: bool = False,
        run_type: Optional[str] = None,
        populate: bool = False,
    ) -> Dict[str, Any]:
        """What was logged, as `Run.get_metrics` gives it."""
        if recursive:
            runs = [self, *self.get_children(recursive=True)]
            return {run.id: run.get_metrics(name) for run in runs if run_type in (None, run.type)}
        found: Dict[str, Any] = {}
        for key, values in self._values.items():
            if key in self._steps:  # by step, as the studio reads them
                values = [value for _, value in sorted(zip(self._steps[key], values), key=lambda one: one[0])]  # noqa: B905
            found[key] = values[0] if len(values) == 1 else list(values)
        for key, pieces in self._tables.items():
            table = merged_table(pieces)
            found[key] = {column: cells_from_wire(cells) for column, cells in table.items()}
        return found if name is None else {key: value for key, value in found.items() if key == name}

    def get_status(self) -> str:
        return self.status

    def get_details(self) -> Dict[str, Any]:
        return {"runId": self.id, "status": self.status, "properties": self.get_properties()}

    # --- files -----------------------------------------------------------------------------------
    def upload_file(self, name: str, path_or_stream: Any, datastore_name: Optional[str] = None) -> None:
        self._say(f"{name}: not kept")

    def upload_files(self, names: List[str], paths: List[str], *_: Any, **__: Any) -> None:
        for name in names:
            self.upload_file(name, None)

    def upload_folder(self, name: str, path: str, datastore_name: Optional[str] = None) -> None:
        self._say(f"{name}/: not kept")

    def get_file_names(self) -> List[str]:
        return []

    # --- its family ------------------------------------------------------------------------------
    def child_run(self, name: Optional[str] = None, run_id: Optional[str] = None, outputs: Any = None) -> "OfflineRun":
        child = OfflineRun(self, name)
        self._children.append(child)
        return child

    def create_children(
        self,
        count: Optional[int] = None,
        tag_key: Optional[str] = None,
        tag_values: Optional[Sequence[Any]] = None,
    ) -> "List[OfflineRun]":
        if tag_values is None:
            return [self.child_run() for _ in range(count or 0)]
        found = []
        for value in tag_values:
            found.append(self.child_run())
            found[-1].tag(str(tag_key), value)
        return found

    def get_children(self, recursive: bool = False, **_: Any) -> "Iterator[OfflineRun]":
        for child in self._children:
            yield child
            if recursive:
                yield from child.get_children(recursive=True)

    # --- its end ---------------------------------------------------------------------------------
    def flush(self, timeout_seconds: float = 60.0) -> None:
        """There is nothing to wait for."""

    def start(self) -> None:
        """It goes on already."""

    def wait_for_completion(self, *_: Any, **__: Any) -> Dict[str, Any]:
        """It ends with its script, so there is nothing to wait for; returns `get_details()`."""
        return self.get_details()

    def complete(self) -> None:
        self.status = "Completed"

    def cancel(self) -> None:
        self.status = "Canceled"

    def fail(self, error_details: Any = None, error_code: Optional[str] = None) -> None:
        self.status = "Failed"
        if error_details:
            self._say(f"failed: {error_details}")

    def __enter__(self) -> "OfflineRun":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.complete()
        else:
            self.fail(error)

    def __repr__(self) -> str:
        return f"OfflineRun({self.id!r})"

    def _say(self, text: str) -> None:
        head = "" if self.parent is None else f"[{self.name if self.name != 'offline' else self.id[11:19]}] "
        print(head + text, flush=True)  # noqa: T201 - printing is what it is for
