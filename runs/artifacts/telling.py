"""Telling whoever watches that the files of a run are others."""

from functools import partial

from django.db import transaction

from studio.kernel.bells import ring_soon


def tell(run_id: str) -> None:
    """After the commit: that there is something; the page reads what it shows of it."""
    transaction.on_commit(partial(ring_soon, f"run.{run_id}", "files", lambda: b'{"t":"files"}'))
