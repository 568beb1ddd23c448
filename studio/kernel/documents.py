"""Reading JSON columns quickly: a table of runs is mostly the decoding of what they hold."""

import json
from typing import Any

import msgspec
from django.db import models

_decode = msgspec.json.Decoder().decode


class QuickDecoder(json.JSONDecoder):
    """For `JSONField(decoder=…)`. What the quick one does not take, numbers beyond all floats, is read slowly."""

    def decode(self, s: str, _w: Any = None) -> Any:
        try:
            return _decode(s)
        except msgspec.DecodeError:
            return super().decode(s)


class UnreadJSON(models.JSONField):
    """A document for statements only: an instance that was loaded has its text, because nobody pays for more."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return value
