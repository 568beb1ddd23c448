"""The scoring server: HTTP around a script's init() and run().

A script may take the whole request: decorate `run` with `rawhttp`, and answer with `AMLResponse`.
"""

from __future__ import annotations

from zaffre.serve.raw import AMLRequest, AMLResponse, rawhttp

__all__ = ["AMLRequest", "AMLResponse", "rawhttp"]
