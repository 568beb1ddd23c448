"""The command `zaffre`: one file per noun, one JSON document with --json.

Exit codes: 0 done, 1 refused or failed (also a followed run that did not complete), 2 misused, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any, List, Mapping, Optional

from zaffre._version import VERSION
from zaffre.cli.common import nearest, settle
from zaffre.errors import ZaffreError

_NOUNS = (
    "login",
    "run",
    "experiment",
    "dataset",
    "environment",
    "model",
    "endpoint",
    "compute",
    "workspace",
    "snapshot",
    "node",
    "secret",
)


def main(words: Optional[List[str]] = None) -> int:
    """Do what the words say; returns the exit code."""
    given = list(sys.argv[1:] if words is None else words)
    own, script = _split(given)
    parser = build_parser()
    options = parser.parse_args(own)
    settle(options)
    if script is not None and not getattr(options, "takes_script", False):
        parser.error("only `zaffre run submit` takes words after --")
    options.script = script
    try:
        return int(options.handle(options) or 0)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    except BrokenPipeError:  # a reader such as `head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ZaffreError as error:
        asked = getattr(options, "filter", None) or ""
        return _tell(error, as_json=bool(getattr(options, "json", False)), filter_text=asked)
    except OSError as error:
        text = f"{error.filename}: {error.strerror}." if error.filename and error.strerror else str(error)
        return _tell(ZaffreError(text), as_json=bool(getattr(options, "json", False)))


class _Parser(argparse.ArgumentParser):
    """Says of a word that is none which one may be meant; verbs get parsers of the same class."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = [str(one) for one in action.choices or ()]
        if not choices or str(value) in choices:
            return super()._check_value(action, value)
        near = nearest(str(value), choices)
        meant = f" Did you mean {near!r}?" if near else ""
        raise argparse.ArgumentError(action, f"there is no {value!r}.{meant} There are: {', '.join(choices)}.")


def build_parser() -> argparse.ArgumentParser:
    """All words, of all nouns."""
    from importlib import import_module

    parser = _Parser(prog="zaffre", description="The command line of the machine-learning studio Zaffre.")
    parser.add_argument("--version", action="version", version=f"zaffre {VERSION}")
    nouns = parser.add_subparsers(dest="noun", required=True, metavar="NOUN")
    for noun in _NOUNS:
        import_module(f"zaffre.cli.{noun}").add(nouns)
    return parser


def _split(words: List[str]) -> "tuple[List[str], Optional[List[str]]]":
    """(our words, the script's words after the first `--`, None without one)."""
    if "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _marked(text: str, details: Mapping[str, Any]) -> str:
    """The filter with carets under the part that is wrong, nothing when no place was told."""
    import unicodedata

    at = details.get("position")
    if not text or not isinstance(at, int) or not 0 <= at <= len(text):
        return ""
    first, last = max(0, at - 60), at + 60
    line = "".join(char if char.isprintable() else " " for char in text[first:last])
    length = details.get("length")
    carets = "^" * max(1, min(length if isinstance(length, int) else 1, len(line) - (at - first)))

    # A wide character takes two columns of a terminal.
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in line[: at - first])
    return f"  {line}\n  {' ' * (at - first + wide)}{carets}\n"


def _tell(error: ZaffreError, *, as_json: bool, filter_text: str = "") -> int:
    """The error as one sentence with its hint on stderr; with --json the document is the error."""
    sys.stderr.write(f"zaffre: {error.message}\n")
    sys.stderr.write(_marked(filter_text, getattr(error, "details", {})))
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")
    if as_json:
        told = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
        sys.stdout.write(json.dumps(told) + "\n")
    return 1
