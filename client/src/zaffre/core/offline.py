"""The run of a script that is started by hand: it prints what would be logged, and keeps nothing."""

from __future__ import annotations

import uuid
from typing import Any, Dict, List, Mapping, Optional

from zaffre.core.logs import Logs, number_text
from zaffre.values import check_key


class OfflineRun(Logs):
    """What `Run.get_context()` gives outside of the studio."""

    experiment = None
    parent = None
    status = "Running"

    def __init__(self) -> None:
        self.id = f"OfflineRun_{uuid.uuid4()}"
        self.name = self.display_name = "offline"
        self.number = 0
        self.input_datasets: Dict[str, Any] = {}
        self._rows: Dict[str, int] = {}
        self._tags: Dict[str, Any] = {}
        self._values: Dict[str, List[Any]] = {}

    def _point(self, name: str, value: Any, step: Optional[int]) -> None:
        check_key(name)
        text = number_text(value)
        self._values.setdefault(name, []).append(value)
        _say(f"{name} = {text}" + (f" (step {step})" if step is not None else ""))

    def _tag(self, name: str, text: str) -> None:
        self.tag(name, text)

    def _file(self, path: str, content: bytes) -> None:
        _say(f"{path}: {len(content)} bytes, not kept")

    def tag(self, key: str, value: Any = None) -> None:
        self._tags[check_key(key)] = value
        _say(f"tag {key} = {value}")

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        for key, value in tags.items():
            self.tag(key, value)

    def get_tags(self) -> Dict[str, Any]:
        return dict(self._tags)

    def get_metrics(self, name: Optional[str] = None) -> Dict[str, Any]:
        found = {key: values[0] if len(values) == 1 else list(values) for key, values in self._values.items()}
        return found if name is None else {key: value for key, value in found.items() if key == name}

    def get_status(self) -> str:
        return self.status

    def upload_file(self, name: str, path_or_stream: Any) -> None:
        _say(f"{name}: not kept")

    def upload_folder(self, name: str, path: str) -> None:
        _say(f"{name}/: not kept")

    def flush(self, timeout_seconds: float = 60.0) -> None:
        """There is nothing to wait for."""

    def complete(self) -> None:
        self.status = "Completed"

    def fail(self, error_details: Any = None) -> None:
        self.status = "Failed"
        if error_details:
            _say(f"failed: {error_details}")

    def __enter__(self) -> "OfflineRun":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.complete()
        else:
            self.fail(error)

    def __repr__(self) -> str:
        return f"OfflineRun({self.id!r})"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - printing is what it is for
