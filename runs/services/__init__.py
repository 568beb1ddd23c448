"""Everything that changes a run: submitting, claiming, renewing, reporting, ending, editing."""

from runs.services.beginning import Words, begin_at_once, begin_soon, drain
from runs.services.children import create_children, end_child
from runs.services.claims import claim_runs
from runs.services.editing import edit_run
from runs.services.ending import cancel_run, report_result
from runs.services.experiments import (
    archive_experiment,
    create_experiment,
    delete_experiment,
    rename_experiment,
    restore_experiment,
    tag_experiment,
)
from runs.services.hints import hint_waiting
from runs.services.interactive import end_by_hand, end_interactive, reopen_interactive, start_interactive
from runs.services.leases import greet, rendezvous, renew, report_progress
from runs.services.placing import give_up_run, set_priority
from runs.services.reaper import reap
from runs.services.secrets import read_secrets
from runs.services.submit import require_submit, submit_run
from runs.services.trash import MOST as MOST_IN_BIN
from runs.services.trash import (
    Done,
    archive_run,
    archive_runs,
    delete_run,
    delete_runs,
    discard_run,
    purge_expired,
    purge_run,
    restore_run,
)
from runs.services.turning import bring_forward
from runs.services.warning import warn

__all__ = [
    "MOST_IN_BIN",
    "Done",
    "Words",
    "archive_experiment",
    "archive_run",
    "archive_runs",
    "begin_at_once",
    "begin_soon",
    "bring_forward",
    "cancel_run",
    "claim_runs",
    "create_children",
    "create_experiment",
    "delete_experiment",
    "delete_run",
    "delete_runs",
    "discard_run",
    "drain",
    "edit_run",
    "end_by_hand",
    "end_child",
    "end_interactive",
    "give_up_run",
    "greet",
    "hint_waiting",
    "purge_expired",
    "purge_run",
    "read_secrets",
    "reap",
    "rename_experiment",
    "rendezvous",
    "renew",
    "reopen_interactive",
    "report_progress",
    "report_result",
    "require_submit",
    "restore_experiment",
    "restore_run",
    "set_priority",
    "start_interactive",
    "submit_run",
    "tag_experiment",
    "warn",
]
