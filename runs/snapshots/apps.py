from django.apps import AppConfig


class SnapshotsConfig(AppConfig):
    name = "runs.snapshots"
    label = "snapshots"
