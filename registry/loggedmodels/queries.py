"""Reading logged models, their files and what was measured of them."""

from collections.abc import Iterable

from django.db.models import Prefetch, QuerySet, Sum

from registry.loggedmodels.forms import no_such_logged_model
from registry.loggedmodels.models import LoggedFile, LoggedMetric, LoggedModel
from studio.kernel import folders
from studio.kernel.actors import Actor
from studio.kernel.errors import NotFound
from studio.kernel.folders import Entry
from workspace.access import get_workspace

READ = "model.read"


def list_logged_models(slug: str, *, actor: Actor, deleted: bool = False) -> QuerySet[LoggedModel]:
    """Return the logged models of a workspace with what was measured of them; the deleted ones too if asked for."""
    workspace = get_workspace(slug, actor=actor, action=READ)
    rows = workspace.logged_models.select_related("run", "experiment", "created_by")
    measured = Prefetch("metrics", LoggedMetric.objects.order_by("pk"))
    return (rows if deleted else rows.filter(deleted__isnull=True)).prefetch_related(measured)


def get_logged_model(slug: str, model_id: str, *, actor: Actor, deleted: bool = False) -> LoggedModel:
    """Return one logged model. Raises NotFound."""
    found = list_logged_models(slug, actor=actor, deleted=deleted).filter(pk=model_id.replace("\0", "")).first()
    if found is None:
        raise no_such_logged_model(model_id)
    return found


def require(slug: str, model_ids: Iterable[str], *, actor: Actor) -> None:
    """Raise NotFound for the first that is no logged model of the workspace."""
    asked = sorted(set(model_ids))
    known = set(list_logged_models(slug, actor=actor).filter(pk__in=asked).values_list("pk", flat=True))
    for model_id in asked:
        if model_id not in known:
            raise no_such_logged_model(model_id)


def of_run(slug: str, run_id: str, *, actor: Actor) -> list[LoggedModel]:
    """Return the models that a run logged, in the order of their making, each with its `size` in bytes."""
    rows = list_logged_models(slug, actor=actor).filter(run_id=run_id)
    return list(rows.annotate(size=Sum("files__size")).order_by("created", "pk"))


def list_files(slug: str, model_id: str, *, actor: Actor) -> QuerySet[LoggedFile]:
    """Return the files of a logged model by path. Raises NotFound."""
    return get_logged_model(slug, model_id, actor=actor).files.order_by("path")


def get_file(slug: str, model_id: str, path: str, *, actor: Actor) -> LoggedFile:
    """Return one file. Raises NotFound when there is none at this path."""
    found = list_files(slug, model_id, actor=actor).filter(path=path.replace("\0", "\ufffd")).first()
    if found is None:
        raise NotFound(f"The model has no file {path[:200]!r}.")
    return found


def list_folder(slug: str, model_id: str, *, actor: Actor, folder: str = "") -> list[Entry]:
    """Return what lies directly in a folder of the model, by name; nothing for a file. Raises NotFound."""
    return folders.look_into(list_files(slug, model_id, actor=actor).order_by(), folder)
