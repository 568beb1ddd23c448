"""The log calls of a run, the same for real and offline ones.

Numbers become series: `log`, `log_list`, and the numeric columns of `log_row` and `log_table` (as
`name/column`). What is no series is kept as a file of the run: pictures as `images/<name>.png`, charts and
tables with text as `metrics/<name>.json`.
"""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union

from zaffre.errors import UserErrorException
from zaffre.values import as_number, check_key, file_name, is_number, plain

Document = Union[str, Mapping[str, Any]]


class Logs(ABC):
    """What a script calls; subclasses say where points, tags and files go."""

    _rows: Dict[str, int]

    @abstractmethod
    def _point(self, name: str, value: Any, step: Optional[int]) -> None: ...

    @abstractmethod
    def _tag(self, name: str, text: str) -> None: ...

    @abstractmethod
    def _file(self, path: str, content: bytes) -> None: ...

    # --- numbers ---------------------------------------------------------------------------------
    def log(self, name: str, value: Any, description: str = "", step: Optional[int] = None) -> None:
        """Log a number at `step`; without one, at the step after the last. A text is kept as the tag `name`.

        Returns at once: points are sent in the background. Raises UserErrorException for other values.
        """
        if isinstance(value, str):
            self._tag(name, value)
        else:
            self._point(name, value, step)

    def log_list(self, name: str, value: Iterable[Any], description: str = "") -> None:
        """Log the numbers of any iterable as consecutive points."""
        for one in value:
            self._point(name, one, None)

    def log_row(self, name: str, description: str = "", **kwargs: Any) -> None:
        """Log one row of a table: its numbers go to the series `name/column`; a row with text is kept as a file."""
        if not kwargs:
            raise UserErrorException("A row has at least one column.")
        row = self._rows[name] = self._rows.get(name, -1) + 1
        for column, value in kwargs.items():
            if is_number(value):
                self._point(f"{name}/{column}", value, row)
        if not all(is_number(value) for value in kwargs.values()):
            self._json(f"{name}.{row}", {"schema_type": "row", "data": plain(kwargs)})

    def log_table(self, name: str, value: Mapping[str, List[Any]], description: str = "") -> None:
        """Log columns of equal length: those of numbers as series `name/column`; a table with text as a file too."""
        if not isinstance(value, Mapping) or not value:
            raise UserErrorException("A table is a dict of columns.")
        columns = {str(column): list(cells) for column, cells in value.items()}
        lengths = {column: len(cells) for column, cells in columns.items()}
        if len(set(lengths.values())) > 1:
            raise UserErrorException(f"The columns of a table have one length, not {lengths}.")
        numeric = {column for column, cells in columns.items() if all(is_number(cell) for cell in cells)}
        for column in numeric:
            for cell in columns[column]:
                self._point(f"{name}/{column}", cell, None)
        if len(numeric) < len(columns):
            self._json(name, {"schema_type": "table", "data": plain(columns)})

    # --- pictures and charts ------------------------------------------------------------------------
    def log_image(
        self, name: str, path: Optional[str] = None, plot: Optional[Any] = None, description: str = ""
    ) -> None:
        """Keep a picture: a file, or a figure (or module `pyplot`) of matplotlib.

        Raises UserErrorException for both or neither.
        """
        check_key(name)
        if (path is None) == (plot is None):
            raise UserErrorException("log_image takes either path or plot.")
        if path is not None:
            source = Path(path).expanduser()
            try:
                content = source.read_bytes()
            except OSError as error:
                raise UserErrorException(f"{path} cannot be read: {error.strerror}.") from None
            suffix = source.suffix.lower() or ".png"
        else:
            savefig = getattr(plot, "savefig", None)
            if savefig is None:
                raise UserErrorException("plot is a figure of matplotlib, or its module pyplot.")
            buffer = io.BytesIO()
            savefig(buffer, format="png", bbox_inches="tight")
            content, suffix = buffer.getvalue(), ".png"
        stem = name[: -len(suffix)] if name.lower().endswith(suffix) else name
        self._file(f"images/{file_name(stem)}{suffix}", content)

    def log_confusion_matrix(self, name: str, value: Document, description: str = "") -> None:
        """Keep {"schema_type": "confusion_matrix", "data": {"class_labels": […], "matrix": [[…]]}}."""
        document = _document(value, "confusion_matrix", ("class_labels", "matrix"))
        labels, matrix = document["data"]["class_labels"], document["data"]["matrix"]
        if len(matrix) != len(labels) or any(len(row) != len(labels) for row in matrix):
            raise UserErrorException(f"The matrix has {len(labels)} rows of {len(labels)} numbers, one for each label.")
        self._json(name, document)

    def log_accuracy_table(self, name: str, value: Document, description: str = "") -> None:
        """Keep {"schema_type": "accuracy_table", "data": {"probability_tables": …, "class_labels": […], …}}."""
        needed = ("probability_tables", "percentile_tables", "probability_thresholds", "percentile_thresholds")
        self._json(name, _document(value, "accuracy_table", (*needed, "class_labels")))

    def log_residuals(self, name: str, value: Document, description: str = "") -> None:
        """Keep {"schema_type": "residuals", "data": {"bin_edges": […], "bin_counts": […]}}."""
        self._json(name, _document(value, "residuals", ("bin_edges", "bin_counts")))

    def log_predictions(self, name: str, value: Document, description: str = "") -> None:
        """Keep {"schema_type": "predictions", "data": {"bin_averages": […], "bin_errors": […], …}}."""
        needed = ("bin_averages", "bin_errors", "bin_counts", "bin_edges")
        self._json(name, _document(value, "predictions", needed))

    def _json(self, name: str, document: Mapping[str, Any]) -> None:
        check_key(name)
        self._file(f"metrics/{file_name(name)}.json", json.dumps(document, allow_nan=False).encode())


def _document(value: Document, kind: str, needed: Iterable[str]) -> Dict[str, Any]:
    """A chart as its JSON form. Raises UserErrorException that says what is missing."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UserErrorException(f"Invalid JSON provided: {error}.") from None
    if not isinstance(value, Mapping) or not isinstance(value.get("data"), Mapping):
        raise UserErrorException(f'A {kind} looks like {{"schema_type": "{kind}", "data": {{…}}}}.')
    if value.get("schema_type") not in (None, kind):
        raise UserErrorException(f"schema_type is {kind!r} here, not {value['schema_type']!r}.")
    missing = [key for key in needed if key not in value["data"]]
    if missing:
        raise UserErrorException(f"The data of a {kind} lacks {', '.join(missing)}.")
    return {**plain(dict(value)), "schema_type": kind}


def number_text(value: Any) -> str:
    """A number as an offline run prints it."""
    return f"{as_number(value):.6g}"
