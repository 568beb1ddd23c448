"""How the studio logs in to machines: checked, and kept in the key vault's envelope."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.envelope import Hidden
from studio.kernel.errors import Forbidden, Invalid
from workspace.attached import forms
from workspace.attached.places import Place, Trouble
from workspace.models import Workspace
from workspace.secrets import services as vault


def told(given: Mapping[str, Any], key: str, default: int) -> object:
    """What a form leaves empty is not said; 0 is."""
    return default if given.get(key) in (None, "") else given[key]


def clean_credential(given: Mapping[str, Any]) -> dict[str, str]:
    """{name: value} of what it logs in with. Raises Invalid."""
    password, key = str(given.get("password") or ""), str(given.get("private_key") or "")
    passphrase = str(given.get("private_key_passphrase") or "")
    if bool(password) == bool(key):
        raise Invalid(_("Give either a password or a private key."), field="private_key")
    if password:
        if "\0" in password or len(password) > 1000:
            raise Invalid(_("A password has at most 1000 characters."), field="password")
        return {"password": password}
    return {"private_key": forms.clean_key(key, passphrase), **({"passphrase": passphrase} if passphrase else {})}


def keep(workspace: Workspace, kept: Mapping[str, str], *, actor: Actor, held_by: str) -> None:
    """Instead of what was kept before under this holder."""
    vault.let_go(workspace, actor=actor, held_by=held_by)
    for name, value in kept.items():
        vault.hold_secret(workspace, name, actor=actor, held_by=held_by, value=value)


def opened(
    workspace: Workspace, host: str, port: int, username: str, *, actor: Actor, held_by: str, secret: str = ""
) -> Place:
    """Where a machine is and how to log in: by the secret of the workspace that is named, else by what is held.

    Raises Trouble `no_secret` when that cannot be read.
    """
    require_system(actor)
    kept = named(workspace, secret, actor=SYSTEM) if secret else {}
    if not secret:
        kept = vault.held_secrets(workspace, actor=SYSTEM, held_by=held_by)
    if not ({"password", "private_key"} & kept.keys()):
        raise Trouble("no_secret")
    return Place(
        host,
        port,
        username,
        password=kept.get("password", Hidden()),
        key=kept.get("private_key", Hidden()),
        passphrase=kept.get("passphrase", Hidden()),
    )


def named(workspace: Workspace, name: str, *, actor: Actor) -> dict[str, Hidden]:
    """What the workspace's secret of this name logs in with: a private key, else a password. Empty when it is gone."""
    found = vault.open_secrets(workspace, [name], actor=actor).get(name)
    if found is None:
        return {}
    return {"private_key" if "PRIVATE KEY-----" in found else "password": found}


def clean_secret(workspace: Workspace, name: str, *, actor: Actor) -> str:
    """The name of a secret with which a machine can be logged in to; the caller writes it down. Raises Invalid."""
    name = name.strip()
    kept = named(workspace, name, actor=actor) if name else {}
    if name and not kept:
        hint = _("Set it among the secrets of the workspace first, to the content of a private key or to a password.")
        raise Invalid(_("There is no secret %(name)s.") % {"name": repr(name[:127])}, hint=hint, field="secret")
    if key := kept.get("private_key"):
        forms.clean_key(key, "")
    return name


def require_system(actor: Actor) -> None:
    if actor.kind != "system":
        raise Forbidden(_("Only the studio itself looks after machines."))
