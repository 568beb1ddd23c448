"""What changes models; one file for each kind of change."""

from registry.services.editing import (
    change_version,
    delete_alias,
    delete_version,
    edit_model,
    set_alias,
    tag_model,
    tag_version,
)
from registry.services.registering import (
    create_model,
    delete_model,
    register_from_source,
    register_logged_model,
    register_model,
)
from registry.services.sources import original, place_of

__all__ = [
    "change_version",
    "create_model",
    "delete_alias",
    "delete_model",
    "delete_version",
    "edit_model",
    "original",
    "place_of",
    "register_from_source",
    "register_logged_model",
    "register_model",
    "set_alias",
    "tag_model",
    "tag_version",
]
