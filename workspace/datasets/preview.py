"""The first rows of a file, read within a fixed budget whatever the file claims to be.

No Django: values in, values out. Every cell is text, so that nothing a file holds (NaN, huge numbers,
nested lists) can be more than text in an answer.
"""

import codecs
import csv
import io
import json
import zlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO

MAX_BYTES = 1024 * 1024
MAX_ROWS = 100
MAX_COLUMNS = 200
MAX_CELL = 500
MAX_TEXT_LINES = 200
SNIFFED = 8192

TABLES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
TEXTS = {".txt", ".md", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".xml", ".log", ".py", ".sql", ".html"}


@dataclass
class Preview:
    """What can be shown of one file. `kind`: table (columns, rows), text (text), or none (reason).

    `truncated`: the file holds more than is shown. `total_rows` is None unless all of it was read.
    """

    path: str
    kind: str
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    total_rows: int | None = None
    text: str = ""
    truncated: bool = False
    reason: str = ""


def kind_of(path: str) -> str:
    """csv, jsonl, text, or "" for a file that has no preview; by its name, without `.gz`."""
    suffix = PurePosixPath(path.lower().removesuffix(".gz")).suffix
    return TABLES.get(suffix) or ("text" if suffix in TEXTS else "")


def choose(paths: list[str]) -> str | None:
    """The file to show of many: the first table, else the first text, else none."""
    for wanted in ({"csv", "jsonl"}, {"text"}):
        for path in paths:
            if kind_of(path) in wanted:
                return path
    return None


def preview(path: str, source: BinaryIO) -> Preview:
    """Return what can be shown of an open file; never raises for what the file holds."""
    kind = kind_of(path)
    if not kind:
        return Preview(path, "none", reason="There is no preview for this kind of file.")
    try:
        head, cut = _head(source, packed=path.lower().endswith(".gz"))
    except zlib.error:
        return Preview(path, "none", reason="The file is not a readable gzip file.")
    if b"\0" in head:
        return Preview(path, "none", reason="The file holds binary data.")
    text = _decoded(head)
    if cut:
        # The last line is most likely half of one.
        text = text[: text.rfind("\n") + 1] or text
    shown = None
    if kind == "csv":
        shown = _csv(path, text, cut)
    elif kind == "jsonl":
        shown = _jsonl(path, text, cut)
    return shown or _text(path, text, cut)


def _head(source: BinaryIO, *, packed: bool) -> tuple[bytes, bool]:
    """At most MAX_BYTES from the start, unpacked; and whether there is more."""
    raw = source.read(MAX_BYTES + 1)
    if not packed:
        return raw[:MAX_BYTES], len(raw) > MAX_BYTES
    out = bytearray()
    rest = raw
    while rest and len(out) <= MAX_BYTES:
        member = zlib.decompressobj(wbits=31)
        out += member.decompress(rest, MAX_BYTES + 1 - len(out))
        if not member.eof:
            # The budget's end, or a file that somebody cut: show what there is.
            return bytes(out[:MAX_BYTES]), True
        rest = member.unused_data.lstrip(b"\0")
    return bytes(out[:MAX_BYTES]), len(out) > MAX_BYTES or len(raw) > MAX_BYTES


def _decoded(head: bytes) -> str:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
    try:
        # Not final: the budget may have cut a character in two.
        return decoder.decode(head, final=False)
    except UnicodeDecodeError:
        return head.decode("utf-8", errors="replace")


def _cell(value: str) -> str:
    return value if len(value) <= MAX_CELL else value[: MAX_CELL - 1] + "…"


def _csv(path: str, text: str, cut: bool) -> Preview | None:
    dialect = _dialect(path, text)
    rows: list[list[str]] = []
    count, widest = 0, 0
    try:
        for row in csv.reader(io.StringIO(text, newline=""), dialect):
            if not row:
                continue
            count += 1
            if len(rows) <= MAX_ROWS:
                widest = max(widest, len(row))
                rows.append([_cell(value) for value in row[:MAX_COLUMNS]])
    except csv.Error:
        return None
    if not rows:
        return Preview(path, "table", total_rows=None if cut else 0, truncated=cut)
    width = min(widest, MAX_COLUMNS)
    named = _is_header(rows[0])
    columns = rows.pop(0) if named else []
    columns += [str(number) for number in range(len(columns) + 1, width + 1)]
    total = count - 1 if named else count
    return Preview(
        path,
        "table",
        columns=columns,
        rows=[row + [""] * (width - len(row)) for row in rows[:MAX_ROWS]],
        total_rows=None if cut else total,
        truncated=cut or total > MAX_ROWS or widest > MAX_COLUMNS,
    )


def _dialect(path: str, text: str) -> type[csv.Dialect]:
    if ".tsv" in PurePosixPath(path.lower()).suffixes:
        return csv.excel_tab
    try:
        found = csv.Sniffer().sniff(text[:SNIFFED], delimiters=",;\t|")
    except csv.Error:
        return csv.excel
    # The sniffer often says that quotes are not doubled because the sample holds none.
    found.doublequote = True
    return found


def _is_header(row: list[str]) -> bool:
    # Names are words, and each one is another: a number, a gap or a repeat means that this is data already.
    names = [value.strip() for value in row]
    return all(names) and len(set(names)) == len(names) and not any(_is_number(name) for name in names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _jsonl(path: str, text: str, cut: bool) -> Preview | None:
    records: list[object] = []
    count = 0
    for line in text.splitlines():
        if not line.strip():
            continue
        count += 1
        if len(records) < MAX_ROWS:
            try:
                records.append(json.loads(line))
            except (ValueError, RecursionError):
                return None
    named = [record if isinstance(record, dict) else {"value": record} for record in records]
    every = list(dict.fromkeys(key for record in named for key in record))
    columns = every[:MAX_COLUMNS]
    return Preview(
        path,
        "table",
        columns=[_cell(column) for column in columns],
        rows=[[_json_cell(record[key]) if key in record else "" for key in columns] for record in named],
        total_rows=None if cut else count,
        truncated=cut or count > MAX_ROWS or len(every) > MAX_COLUMNS,
    )


def _json_cell(value: object) -> str:
    return _cell(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _text(path: str, text: str, cut: bool) -> Preview:
    lines = text.splitlines()
    return Preview(path, "text", text="\n".join(lines[:MAX_TEXT_LINES]), truncated=cut or len(lines) > MAX_TEXT_LINES)
