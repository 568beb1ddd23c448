"""Reading JSON columns quickly: a table of runs is mostly the decoding of what they hold."""

import json
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode


class QuickDecoder(json.JSONDecoder):
    """For `JSONField(decoder=…)`. What the quick one does not take, numbers beyond all floats, is read slowly."""

    def decode(self, s: str, _w: Any = None) -> Any:
        try:
            return _decode(s)
        except msgspec.DecodeError:
            return super().decode(s)
