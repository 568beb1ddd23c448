"""The command `zaffre`: one file per noun, one JSON document with --json.

Exit codes: 0 done, 1 refused or failed (also a followed run that did not complete), 2 misused, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import List, Optional

from zaffre._version import VERSION
from zaffre.errors import ZaffreError

_NOUNS = ("login", "run", "dataset", "environment", "model", "endpoint", "compute", "workspace", "snapshot", "node")


def main(words: Optional[List[str]] = None) -> int:
    """Do what the words say; returns the exit code."""
    given = list(sys.argv[1:] if words is None else words)
    own, script = _split(given)
    parser = build_parser()
    options = parser.parse_args(own)
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
        return _tell(error, as_json=bool(getattr(options, "json", False)))
    except OSError as error:
        text = f"{error.filename}: {error.strerror}." if error.filename and error.strerror else str(error)
        return _tell(ZaffreError(text), as_json=bool(getattr(options, "json", False)))


def build_parser() -> argparse.ArgumentParser:
    """All words, of all nouns."""
    from importlib import import_module

    parser = argparse.ArgumentParser(
        prog="zaffre", description="The command line of the machine-learning studio Zaffre."
    )
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


def _tell(error: ZaffreError, *, as_json: bool) -> int:
    """The error as one sentence with its hint on stderr; with --json the document is the error."""
    sys.stderr.write(f"zaffre: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")
    if as_json:
        told = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
        sys.stdout.write(json.dumps(told) + "\n")
    return 1
