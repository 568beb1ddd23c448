"""The exception of compute targets, where scripts import it from."""

from __future__ import annotations

from zaffre.errors import ZaffreError


class ComputeTargetException(ZaffreError):
    """There is no compute target of this name."""
