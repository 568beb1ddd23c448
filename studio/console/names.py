"""Who names blobs: every row of every room whose deletion may free bytes. A test keeps this list complete."""

from studio.kernel.store import Names

NAMES = [
    Names("snapshots.Snapshot", "files", "workspace_id"),
    Names("artifacts.Artifact", "sha256", "run__workspace_id"),
    Names("datasets.DatasetVersion", "files", "dataset__workspace_id"),
    Names("loggedmodels.LoggedFile", "sha256", "model__workspace_id"),
    Names("registry.ModelVersion", "files", "model__workspace_id"),
]
