"""Running again exactly what a run was: the same code, locked environment, data and words."""

from django.utils.translation import gettext as _

from runs.models import Run
from runs.origins.known import git_of
from runs.origins.queries import REPRODUCES
from runs.queries import get_run
from runs.services import submit_run
from studio.kernel.actors import Actor
from studio.kernel.errors import Invalid


def reproduce(slug: str, run_id: str, *, actor: Actor, target: str = "") -> Run:
    """Submit the run anew with the versions that it had, on its own compute target or on `target`.

    The new run names it in its property `reproduces`. Raises Invalid `no_snapshot` for a run without code, and what
    `submit_run` raises, such as for a dataset version that was deleted.
    """
    run = get_run(slug, run_id, actor=actor)
    if run.snapshot is None or run.environment_version is None:
        raise Invalid(
            _("%(run)s logged from where it was: the studio has no copy of its code to run again.") % {"run": run.name},
            code="no_snapshot",
        )
    environment = run.environment_version
    config = {
        **run.config,
        "target": target or (run.target.name if run.target else run.config["target"]),
        "environment": f"{environment.environment.name}:{environment.version}",
        "inputs": {
            name: {"dataset": f"{one['dataset']}:{one['version']}", "mode": one["mode"]}
            for name, one in run.inputs.items()
        },
    }
    try:
        return submit_run(
            slug,
            actor=actor,
            experiment=run.experiment.name,
            config=config,
            snapshot=run.snapshot_id,
            git=git_of(run),
            tags={key: value for key, value in run.tags.items() if not key.startswith("mlflow.")},
            properties={REPRODUCES: run.pk},
        )
    except Invalid as error:
        if error.code != "no_such_target" or target:
            raise
        elsewhere = _("Run it elsewhere: zaffre run reproduce %(run)s --target NAME, or Clone & edit on its page.")
        hint = f"{elsewhere % {'run': run.pk}} {error.hint or ''}".strip()
        raise Invalid(error.message, code=error.code, hint=hint, **error.details) from None
