"""The log calls of a run, the same for real and offline ones.

Numbers become points of a series. Everything else is an item of its kind: a text, rows of a table, an image, a chart.
The bytes of an image, and a chart that is too large for a request, are files of the run that the item names.
"""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from zaffre import protocol
from zaffre.errors import UserErrorException
from zaffre.protocol import MAX_TEXT_VALUE
from zaffre.values import as_columns, as_number, check_key, file_name, plain

Document = Union[str, Mapping[str, Any]]
#: A larger chart goes as a file: a batch of points has at most 1 MB.
_LARGEST_DOCUMENT = 256 * 1024
_NEEDED = {
    protocol.CONFUSION_MATRIX: ("class_labels", "matrix"),
    protocol.ACCURACY_TABLE: (
        "probability_tables",
        "percentile_tables",
        "probability_thresholds",
        "percentile_thresholds",
        "class_labels",
    ),
    protocol.RESIDUALS: ("bin_edges", "bin_counts"),
    protocol.PREDICTIONS: ("bin_averages", "bin_errors", "bin_counts", "bin_edges"),
}


class Logs(ABC):
    """What a script calls; subclasses say where points, items and files go."""

    @abstractmethod
    def _point(self, name: str, value: Any, step: Optional[int]) -> None: ...

    @abstractmethod
    def _points(self, name: str, values: Sequence[float]) -> None: ...

    @abstractmethod
    def _item(self, name: str, kind: str, value: Any, step: Optional[int], description: str) -> None: ...

    @abstractmethod
    def _describe(self, name: str, text: str) -> None: ...

    @abstractmethod
    def _file(self, path: str, content: bytes) -> str:
        """Keep `content` as `path`, or under another name when that is taken; returns the path."""

    # --- numbers and texts -----------------------------------------------------------------------
    def log(self, name: str, value: Any, description: str = "", step: Optional[int] = None) -> None:
        """Log a number, a bool (as 1 or 0) or a text at `step`; a number without one at the step after the last.

        Returns at once: what is logged is sent in the background. Raises UserErrorException for other values.
        """
        if isinstance(value, str):
            if len(value) > MAX_TEXT_VALUE:
                hint = "Keep long texts as a file: write it to outputs/, or use upload_file."
                raise UserErrorException(f"{len(value)} characters, and {MAX_TEXT_VALUE} are kept.", hint=hint)
            self._item(name, protocol.TEXT, str(value).replace("\0", "\ufffd"), step, description)
            return
        self._point(name, value, step)
        if description:
            self._describe(name, description)

    def log_list(self, name: str, value: Iterable[Any], description: str = "") -> None:
        """Log the numbers (or texts) of any iterable as consecutive points: all of them, or none when one is wrong."""
        values = list(value)
        if values and all(isinstance(one, str) for one in values):
            for one in values:
                self.log(name, one, description)
            return
        self._points(name, [as_number(one) for one in values])
        if description:
            self._describe(name, description)

    # --- tables ------------------------------------------------------------------------------------
    def log_row(self, name: str, description: str = "", **kwargs: Any) -> None:
        """Log one row of the table `name`: a number, text, bool or None for each column."""
        if not kwargs:
            raise UserErrorException("A row has at least one column.")
        row = as_columns({column: [cell] for column, cell in kwargs.items()})
        self._item(name, protocol.ROW, row, None, description)

    def log_table(self, name: str, value: Mapping[str, Iterable[Any]], description: str = "") -> None:
        """Log columns of equal length: a dict of iterables, or a DataFrame. Logged again, its rows are added."""
        if not isinstance(value, Mapping) and hasattr(value, "columns") and hasattr(value, "to_dict"):
            value = value.to_dict("list")
        if not isinstance(value, Mapping) or not value:
            raise UserErrorException("A table is a dict of columns.")
        for column, cells in value.items():
            if isinstance(cells, str) or not hasattr(cells, "__iter__"):
                raise UserErrorException(f"The column {column!r} is no list. Use log_row for a single row.")
        columns = as_columns({str(column): list(cells) for column, cells in value.items()})
        if next(iter(columns.values())):
            self._item(name, protocol.TABLE, columns, None, description)

    # --- pictures and charts ------------------------------------------------------------------------
    def log_image(
        self,
        name: str,
        path: Optional[str] = None,
        plot: Optional[Any] = None,
        description: str = "",
        step: Optional[int] = None,
    ) -> None:
        """Keep a picture: a file, or a figure (or module `pyplot`) of matplotlib, of `step` where one is given.

        Raises UserErrorException for both or neither.
        """
        check_key(name)
        if (path is None) == (plot is None):
            raise UserErrorException("log_image takes either path or plot.")
        content, suffix = _picture(path, plot)
        stem = name[: -len(suffix)] if name.lower().endswith(suffix) else name
        kept = self._file(f"images/{file_name(stem)}{suffix}", content)
        self._item(name, protocol.IMAGE, {"path": kept}, step, description)

    def log_confusion_matrix(self, name: str, value: Document, description: str = "") -> None:
        """Keep {"schema_type": "confusion_matrix", "data": {"class_labels": […], "matrix": [[…]]}}."""
        document = _document(value, protocol.CONFUSION_MATRIX)
        labels, matrix = document["data"]["class_labels"], document["data"]["matrix"]
        if len(matrix) != len(labels) or any(len(row) != len(labels) for row in matrix):
            raise UserErrorException(f"The matrix has {len(labels)} rows of {len(labels)} numbers, one for each label.")
        self._keep_document(name, protocol.CONFUSION_MATRIX, document, description)

    def log_accuracy_table(self, name: str, value: Document, description: str = "") -> None:
        """Keep {"schema_type": "accuracy_table", "data": {"probability_tables": …, "class_labels": […], …}}."""
        self._keep_document(name, protocol.ACCURACY_TABLE, _document(value, protocol.ACCURACY_TABLE), description)

    def log_residuals(self, name: str, value: Document, description: str = "") -> None:
        """Keep {"schema_type": "residuals", "data": {"bin_edges": […], "bin_counts": […]}}."""
        self._keep_document(name, protocol.RESIDUALS, _document(value, protocol.RESIDUALS), description)

    def log_predictions(self, name: str, value: Document, description: str = "") -> None:
        """Keep {"schema_type": "predictions", "data": {"bin_averages": […], "bin_errors": […], …}}."""
        self._keep_document(name, protocol.PREDICTIONS, _document(value, protocol.PREDICTIONS), description)

    def _keep_document(self, name: str, kind: str, document: Dict[str, Any], description: str) -> None:
        check_key(name)
        encoded = json.dumps(document, allow_nan=False).encode()
        if len(encoded) > _LARGEST_DOCUMENT:
            document = {"path": self._file(f"metrics/{file_name(name)}.json", encoded)}
        self._item(name, kind, document, None, description)


def _picture(path: Optional[str], plot: Any) -> Tuple[bytes, str]:
    if path is not None:
        source = Path(path).expanduser()
        try:
            return source.read_bytes(), source.suffix.lower() or ".png"
        except OSError as error:
            raise UserErrorException(f"{path} cannot be read: {error.strerror}.") from None
    savefig = getattr(plot, "savefig", None)
    if savefig is None:
        raise UserErrorException("plot is a figure of matplotlib, or its module pyplot.")
    buffer = io.BytesIO()
    savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue(), ".png"


def _document(value: Document, kind: str) -> Dict[str, Any]:
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
    missing = [key for key in _NEEDED[kind] if key not in value["data"]]
    if missing:
        raise UserErrorException(f"The data of a {kind} lacks {', '.join(missing)}.")
    return {**plain(dict(value)), "schema_type": kind}


def number_text(value: Any) -> str:
    """A number as an offline run prints it."""
    return f"{as_number(value):.6g}"


def merged_table(pieces: Iterable[Mapping[str, List[Any]]]) -> Dict[str, List[Any]]:
    """The rows of all pieces as one dict of lists, in their order; None where a piece lacks a column."""
    found: Dict[str, List[Any]] = {}
    count = 0
    for piece in pieces:
        more = len(next(iter(piece.values()), []))
        for column in piece:
            found.setdefault(column, [None] * count)
        for column, cells in found.items():
            cells += piece.get(column, [None] * more)
        count += more
    return found
