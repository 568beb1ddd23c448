"""Datastores, which are not here: files lie in the studio itself."""

from __future__ import annotations

from zaffre.absent import absent_class

INSTEAD = (
    "Dataset.File.upload_directory(folder) and register make a dataset of files that runs read as inputs; what a run "
    "writes to outputs/ are its files."
)
Datastore = absent_class("Datastore", "There are no datastores here.", INSTEAD)
