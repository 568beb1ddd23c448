"""A batch as it comes over the wire: typed decoding, and errors that name the point or item."""

import re
from typing import Annotated, Any

import msgspec

from runs.metrics import documents
from runs.metrics.documents import SPECIAL
from studio.kernel.errors import Invalid
from zaffre.protocol import MAX_ITEMS_PER_BATCH, MAX_METRIC_KEY, MAX_POINTS_PER_BATCH, MAX_ROWS_PER_BATCH

MSGPACK = "application/msgpack"
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_METRIC_KEY)]
Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
#: Of params, of tags and of descriptions in one batch.
MOST_PAIRS = 1000
Text = Annotated[str, msgspec.Meta(max_length=8000)]
Description = Annotated[str, msgspec.Meta(max_length=1000)]
#: PostgreSQL's text holds no NUL, and a page shows no control character.
NOTHING = "Nothing of the batch was kept."
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Point(msgspec.Struct, array_like=True):
    """[key, value, step, time in milliseconds since 1970]; step and time may be left out."""

    key: Key
    value: float | str
    step: Int64 = 0
    time: Int64 = 0


class Item(msgspec.Struct):
    """What was logged and is no number; `decode` sets how many rows it holds, and `stored`, its value as bytes."""

    key: Key
    kind: str
    value: Any
    step: Int64 | None = None
    time: Int64 = 0
    description: Description = ""
    rows: int = 1
    stored: bytes = b""


class Batch(msgspec.Struct):
    """What one request logs. `batch` makes a repeat harmless; `descriptions` are those of series, by key.

    A door may make one whose `batch` is empty, of parameters and tags alone: it is not remembered.
    """

    batch: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    points: Annotated[list[Point], msgspec.Meta(max_length=MAX_POINTS_PER_BATCH)] = []
    items: Annotated[list[Item], msgspec.Meta(max_length=MAX_ITEMS_PER_BATCH)] = []
    descriptions: Annotated[dict[Key, Description], msgspec.Meta(max_length=MOST_PAIRS)] = {}
    params: Annotated[dict[Key, str | int | float | bool], msgspec.Meta(max_length=MOST_PAIRS)] = {}
    tags: Annotated[dict[Key, Text], msgspec.Meta(max_length=MOST_PAIRS)] = {}


_json = msgspec.json.Decoder(Batch)
_msgpack = msgspec.msgpack.Decoder(Batch)


def decode(body: bytes, content_type: str) -> Batch:
    """Return the batch. Raises Invalid with the index and the key of the first point that cannot be meant."""
    packed = content_type.partition(";")[0].strip().lower() == MSGPACK
    try:
        batch = (_msgpack if packed else _json).decode(body)
    except msgspec.ValidationError as error:
        raise _explained(body, packed, error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(
            f"The body is not valid {'msgpack' if packed else 'JSON'}: {error}",
            code="bad_json",
            hint='JSON has no NaN: send the text "NaN", "Infinity" or "-Infinity" as the value.',
        ) from None
    check(batch)
    return batch


def check(batch: Batch) -> None:
    """What types do not say. Raises Invalid with the index and the key of the first that cannot be stored."""
    _refuse_odd_text(batch)
    if batch.items:
        _check_items(batch.items)


def _check_items(items: list[Item]) -> None:
    rows = 0
    for at, item in enumerate(items):
        if _CONTROL.search(item.key):
            raise _wrong(at, item.key, "the key holds a control character", what="items")
        if documents.UNSTORABLE.search(item.description):
            raise _wrong(at, item.key, "the description holds a character that cannot be stored", what="items")
        try:
            item.value, item.rows = documents.checked(item.kind, item.value)
            # Here and not where it is written: what cannot be said must not break the commit of others.
            item.stored = msgspec.json.encode(item.value)
        except (documents.Wrong, UnicodeEncodeError, OverflowError) as error:
            raise _wrong(at, item.key, str(error), what="items") from None
        rows += item.rows if item.kind in documents.TABULAR else 0
        if rows > MAX_ROWS_PER_BATCH:
            raise _wrong(at, item.key, f"a batch takes {MAX_ROWS_PER_BATCH} rows of tables", what="items")


def _refuse_odd_text(batch: Batch) -> None:
    # A batch has few keys and many points, so the first look is at the keys alone.
    odd = {key for key in {point.key for point in batch.points} if _CONTROL.search(key)}
    for at, point in enumerate(batch.points):
        if isinstance(point.value, str) and point.value not in SPECIAL:
            raise _wrong(at, point.key, f"the value is a number or one of {', '.join(SPECIAL)}")
        if odd and point.key in odd:
            raise _wrong(at, point.key, "the key holds a control character")
    if _CONTROL.search(batch.batch):
        raise Invalid("batch holds a control character.", field="batch")
    for what, pairs in (("params", batch.params), ("tags", batch.tags), ("descriptions", batch.descriptions)):
        for key, value in pairs.items():
            text = str(value)
            if _CONTROL.search(key) or "\x00" in text or re.search(r"[\ud800-\udfff]", text):
                raise Invalid(f"{what}: {key[:80]!r} holds a character that cannot be stored.", field=what, key=key)
            if len(text) > 8000:
                raise Invalid(f"{what}: the value of {key[:80]!r} is longer than 8000 characters.", field=what, key=key)


def _wrong(at: int, key: Any, problem: str, *, what: str = "points") -> Invalid:
    shown = key[:80] if isinstance(key, str) else key
    return Invalid(f"{what}[{at}] ({shown!r}): {problem}.", field=what, index=at, key=shown, hint=NOTHING)


def _explained(body: bytes, packed: bool, error: msgspec.ValidationError) -> Invalid:
    """Find the first wrong point or item: the typed decoder says what is wrong, but not where."""
    try:
        raw = msgspec.msgpack.decode(body) if packed else msgspec.json.decode(body)
    except msgspec.DecodeError:
        raw = None
    found = raw if isinstance(raw, dict) else {}
    for what, most, shape in (("points", MAX_POINTS_PER_BATCH, Point), ("items", MAX_ITEMS_PER_BATCH, Item)):
        listed = found.get(what)
        if not isinstance(listed, list):
            continue
        if len(listed) > most:
            return Invalid(
                f"A batch has at most {most} {what}, and this one has {len(listed)}.",
                code=f"too_many_{what}",
                hint="Send several batches, each with an id of its own.",
            )
        for at, one in enumerate(listed):
            try:
                msgspec.convert(one, shape)
            except msgspec.ValidationError as inner:
                problem = str(inner).replace(" - at `$", f" in `{what[:-1]}")
                return _wrong(at, _key_of(one), problem, what=what)
    for what, most_long in (("descriptions", 1000), ("params", 8000), ("tags", 8000)):
        if wrong := _wrong_pair(found.get(what), what, most_long):
            return wrong
    return Invalid(
        f"The body cannot be meant: {error}",
        hint='It is {"batch": id, "points": [[key, value, step, ms]], "items": [{"key", "kind", "value"}]}.',
    )


def _wrong_pair(pairs: Any, what: str, longest: int) -> Invalid | None:
    """The first pair of texts that cannot be kept."""
    if not isinstance(pairs, dict):
        return None
    if len(pairs) > MOST_PAIRS:
        return Invalid(
            f"A batch has at most {MOST_PAIRS} {what}, and this one has {len(pairs)}.",
            code=f"too_many_{what}",
            hint="Send several batches, each with an id of its own.",
        )
    kinds = (str, int, float, bool) if what == "params" else (str,)
    for key, value in pairs.items():
        problem = ""
        if not isinstance(key, str) or not 1 <= len(key) <= MAX_METRIC_KEY:
            problem = f"a name has 1 to {MAX_METRIC_KEY} characters"
        elif not isinstance(value, kinds):
            problem = "the value is a text" + (", a number, true or false" if what == "params" else "")
        elif isinstance(value, str) and len(value) > longest:
            problem = f"the value has {len(value)} characters, and at most {longest} are kept"
        if problem:
            shown = key[:80] if isinstance(key, str) else key
            return Invalid(f"{what} ({shown!r}): {problem}.", field=what, key=key, hint=NOTHING)
    return None


def _key_of(one: Any) -> Any:
    if isinstance(one, dict):
        return one.get("key")
    return one[0] if isinstance(one, list) and one else None
