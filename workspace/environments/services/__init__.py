"""Changing environments: registering versions, keeping what they were resolved to, building them."""

from workspace.environments.services.building import cancel_build, give_up_builds, start_build, sync_builds
from workspace.environments.services.locking import keep_lock
from workspace.environments.services.registering import install_curated, register_environment, require_create
from workspace.environments.services.reporting import report_build

__all__ = [
    "cancel_build",
    "give_up_builds",
    "install_curated",
    "keep_lock",
    "register_environment",
    "report_build",
    "require_create",
    "start_build",
    "sync_builds",
]
