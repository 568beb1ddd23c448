"""Every field that may name stored bytes is judged: what is in no list here would lose its files to the collection."""

from django.apps import apps
from django.db import models

from studio.console.names import NAMES

#: Fields that could hold hashes of stored files, and do not.
OTHERS = {
    # How many, who, when and other facts.
    "accounts.Token.secret_hash",
    "audit.Entry.fields",
    "compute.ComputeTarget.settings",
    "compute.ComputeTarget.tags",
    "compute.ComputeTarget.why",
    "compute.Enrolment.secret_hash",
    "compute.Happening.why",
    "compute.Node.evicting",
    "compute.Node.facts",
    "compute.Node.handle",
    "compute.Node.load",
    "compute.Node.secret_hash",
    "compute.Node.shelf",
    "compute.Node.why",
    "compute.Sample.load",
    "endpoints.Endpoint.primary_hash",
    "endpoints.Endpoint.secondary_hash",
    "runs.Attempt.secret_hash",
    "runs.Run.ticket_hash",
    # The digest of a list whose files stand in the row's list.
    "datasets.DatasetVersion.digest",
    "snapshots.Snapshot.digest",
    # The digest of what decides a result, and the paths of files whose changes were not sent.
    "origins.Likeness.digest",
    "origins.Patch.left_out",
    # The hash of a log, which lies in the database.
    "logs.Log.sha256",
    # What a client says of data that lies elsewhere.
    "lineage.Source.digest",
    "lineage.SourceUse.tags",
    "loggedmodels.LoggedMetric.dataset_digest",
    # Recipes, settings, words and numbers.
    "loggedmodels.LoggedModel.params",
    "loggedmodels.LoggedModel.tags",
    "registry.Model.tags",
    "environments.EnvironmentBuild.digest",
    "environments.EnvironmentLock.sha256",
    "environments.EnvironmentVersion.digest",
    "environments.EnvironmentVersion.spec",
    "attached.Attachment.found",
    "attached.Attachment.steps",
    "attached.Host.found",
    "kernel.IdempotencyKey.body",
    "kernel.IdempotencyKey.fingerprint",
    "kernel.Outbox.args",
    "registry.ModelVersion.properties",
    "registry.ModelVersion.tags",
    "reports.Report.blocks",
    "runs.Experiment.tags",
    "runs.Run.config",
    "runs.Run.git",
    "runs.Run.metrics",
    "runs.Run.params",
    "runs.Run.properties",
    "runs.Attempt.meeting",
    "runs.Run.steps",
    "runs.Run.tags",
    "runs.Run.wanted_labels",
    "runs.Run.warnings",
    "webhooks.Webhook.events",
    # Nodes by their id.
    "tensorboards.Board.avoid",
    # Versions of datasets by their id.
    "runs.Run.inputs",
    # On its way: it names bytes from the moment it is complete, by an artifact's row.
    "artifacts.Upload.sha256",
    "artifacts.UploadPart.sha256",
    # Who holds which bytes: what the collection takes away.
    "kernel.BlobRef.sha256",
}
OURS = {"studio", "workspace", "runs", "registry"}


def could_name(field: models.Field) -> bool:
    if isinstance(field, models.JSONField):
        return True
    hashes = ("sha256", "hash", "digest", "fingerprint")
    return isinstance(field, models.CharField) and field.name.endswith(hashes)


def test_every_field_that_may_name_bytes_is_judged():
    found = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model.__module__.split(".")[0] in OURS
        for field in model._meta.get_fields()
        if isinstance(field, models.Field) and could_name(field)
    }
    named = {f"{one.model}.{one.field}" for one in NAMES}
    assert named & OTHERS == set()
    assert found - named - OTHERS == set(), "if they name stored files: studio/console/names.py; else: the list here"
    assert (named | OTHERS) - found == set(), "listed, and not there any more"
