"""The last words of an attempt in one call: that its log is whole, its files, and how it ended."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from runs.artifacts.services import add_to
from runs.logs.services import complete_of
from runs.services.closing import lock_own
from runs.services.ending import end_attempt
from studio.kernel.actors import Actor


@transaction.atomic
def finish_attempt(
    run_id: str, *, actor: Actor, log: tuple[int, str] | None, files: Sequence[Mapping[str, Any]], **told: Any
) -> str:
    """End an attempt with what it has left: all of it is taken, or nothing. Returns the state that the run is in now.

    `log` is its length and SHA-256, None when it is not whole. The bytes of log and files were sent before. Raises as
    the three do of which it consists: `runs.logs.services.complete`, `runs.artifacts.services.add_artifacts` and
    `runs.services.report_result`.
    """
    run = lock_own(run_id, actor=actor)
    if log is not None:
        complete_of(run, actor=actor, length=log[0], sha256=log[1])
    if files:
        add_to(run, actor=actor, files=files)
    return end_attempt(run, actor=actor, **told)
