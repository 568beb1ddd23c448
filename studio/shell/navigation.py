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


GROUPS = (
    Group(
        _("Assets"),
        (
            Entry("datasets", _("Data"), "d", "datasets", ("dataset",)),
            Entry("experiments", _("Experiments"), "x", "experiments", ("experiment",)),
            Entry("runs", _("Runs"), "r", "runs", ("run", "run_tab", "run_clone", "run_new", "compare")),
            Entry("reports", _("Reports"), "p", "reports", ("report", "report_create", "report_edit")),
            Entry("models", _("Models"), "m", "models", ("model",)),
            Entry("endpoints", _("Endpoints"), "e", "endpoints", ("endpoint",)),
        ),
    ),
    Group(
        _("Manage"),
        (
            Entry("compute", _("Compute"), "c", "targets", ("target",)),
            Entry("environments", _("Environments"), "v", "environments", ("environment",)),
            Entry("keyvault", _("Key vault"), "k", below=("secret",), action="secret.list"),
            Entry("bin", _("Recycle bin"), "b", below=("bin_add", "bin_purge"), action="run.read"),
            Entry("settings", _("Members & settings"), "s", action="workspace.read"),
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
