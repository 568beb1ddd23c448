"""Where one can go in a workspace, as data. An entry is shown when its page exists."""

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Entry:
    page: str  # name of its address
    label: str | Promise
    key: str = ""  # pressed after g
    count: str = ""  # which of studio.shell.queries.counts
    below: tuple[str, ...] = ()  # pages under which it stays marked
    action: str = ""  # who may not do this does not see it


@dataclass(frozen=True)
class Group:
    label: str | Promise
    entries: tuple[Entry, ...]


#: Pages of one target, of its nodes and of what all of them are used for; those of one environment.
COMPUTE = (
    *("target", "target_nodes", "node", "target_runs", "target_queue", "target_details", "target_new"),
    *("machine", "machine_attach", "usage", "pool_new", "target_hosts"),
)
ENVIRONMENTS = (
    *("environment", "environment_register", "environment_packages", "environment_builds", "environment_build"),
    *("environment_used", "environment_diff"),
)
GROUPS = (
    Group(
        _("Assets"),
        (
            Entry("datasets", _("Data"), "d", "datasets", ("dataset",)),
            Entry("experiments", _("Experiments"), "x", "experiments", ("experiment",)),
            Entry("runs", _("Runs"), "r", "runs", ("run", "run_tab", "run_clone", "run_new", "compare", "tensorboard")),
            Entry("reports", _("Reports"), "p", "reports", ("report", "report_create", "report_edit")),
            Entry("models", _("Models"), "m", "models", ("model", "logged_model")),
            Entry("endpoints", _("Endpoints"), "e", "endpoints", ("endpoint",)),
        ),
    ),
    Group(
        _("Manage"),
        (
            Entry("compute", _("Compute"), "c", "targets", COMPUTE),
            Entry("environments", _("Environments"), "v", "environments", ENVIRONMENTS),
            Entry("keyvault", _("Key vault"), "k", below=("secret",), action="secret.list"),
            Entry("bin", _("Recycle bin"), "b", below=("bin_add", "bin_purge"), action="run.read"),
            Entry("settings", _("Members & settings"), "s", below=("webhooks", "webhook"), action="workspace.read"),
            Entry("activity", _("Activity"), "a", action="audit.read"),
        ),
    ),
)


def address(page: str, *words: str) -> str:
    """The address of a page, empty when the studio has no such page."""
    try:
        return reverse(page, args=words)
    except NoReverseMatch:
        return ""
