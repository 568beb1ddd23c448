"""Changing environments: registering versions, keeping what they were resolved to, building them."""

from workspace.environments.services.locking import keep_lock
from workspace.environments.services.registering import install_curated, register_environment
from workspace.environments.services.reporting import report_build

__all__ = ["install_curated", "keep_lock", "register_environment", "report_build"]
