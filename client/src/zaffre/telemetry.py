"""`set_diagnostics_collection`, which scripts call: nothing is collected here, so there is nothing to set."""

from __future__ import annotations


def set_diagnostics_collection(send_diagnostics: bool = True, verbosity: int = 20) -> None:
    """Nothing."""
