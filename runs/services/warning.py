"""Warnings: what people should know of a run that goes on all the same."""

from django.db import transaction

from runs.forms import clean_text
from runs.models import Run

#: Characters of one warning, as the reference has it, and how many a run keeps.
MAX_WARNING, MOST_WARNINGS = 300, 20


@transaction.atomic
def warn(run_id: str, text: str) -> bool:
    """Add a warning to a run, once. False when it is there already, when the run is gone, or when it has too many.

    The caller has decided that the run is theirs to warn about, and tells watchers of what else changed.
    """
    said = clean_text(" ".join(text.split()), MAX_WARNING)
    run = Run.objects.select_for_update(no_key=True).only("warnings").filter(pk=run_id).first()
    if run is None or not said or said in run.warnings or len(run.warnings) >= MOST_WARNINGS:
        return False
    Run.objects.filter(pk=run_id).update(warnings=[*run.warnings, said])
    return True
