"""Changing compute: targets, enrolments, and what nodes say of themselves."""

from workspace.compute.services.happenings import forget_old
from workspace.compute.services.instances import (
    keep_instance,
    restart_instance,
    start_instance,
    stop_instance,
    tend_instances,
)
from workspace.compute.services.nodes import (
    create_enrolment,
    drain_node,
    drain_self,
    evict_environment,
    greet_node,
    look_at_node,
    note_node,
    register_node,
    remove_node,
    revoke_enrolment,
)
from workspace.compute.services.targets import (
    change_target,
    create_target,
    delete_target,
    open_target,
    require_hand,
    require_new,
)

__all__ = [
    "change_target",
    "create_enrolment",
    "create_target",
    "delete_target",
    "drain_node",
    "drain_self",
    "evict_environment",
    "forget_old",
    "greet_node",
    "keep_instance",
    "look_at_node",
    "note_node",
    "open_target",
    "register_node",
    "remove_node",
    "require_hand",
    "require_new",
    "restart_instance",
    "revoke_enrolment",
    "start_instance",
    "stop_instance",
    "tend_instances",
]
