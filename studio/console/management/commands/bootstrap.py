"""`manage.py bootstrap`: from an empty database to an administrator, a workspace and a node's invitation."""

import hashlib
import json
import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from studio.kernel import tokens
from studio.kernel.actors import SYSTEM, Actor
from studio.kernel.errors import Unauthenticated, ZaffreError
from workspace.accounts.models import User
from workspace.accounts.queries import actor_of_token
from workspace.accounts.services import create_token, create_user
from workspace.compute.models import Enrolment
from workspace.compute.services import create_enrolment
from workspace.founding import found_workspace
from workspace.models import Workspace

ADMIN, WORKSPACE, TARGET = "admin", "main", "local"
TOKEN_DAYS = 366
#: A credential that ends sooner than this is made anew at a start.
RENEW_BEFORE = timedelta(days=30)


class Command(BaseCommand):
    help = (
        "Make the first administrator, the workspace `main` with its compute target `local`, a personal token and a "
        "node's invitation; write them to $ZAFFRE_VAR/studio.json and node/node.json. Doing it again repairs what "
        "is missing and changes nothing else."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--migrate", action="store_true", help="apply migrations first")
        parser.add_argument("--collect", action="store_true", help="collect the pages' files first, when they changed")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["migrate"]:
            call_command("migrate", interactive=False, verbosity=0)
        if options["collect"]:
            collect_static()
        made = bootstrap(settings.VAR_DIR)
        if options["json"]:
            self.stdout.write(json.dumps(made))
        elif "password" in made:
            self.stdout.write(f"Made the administrator {ADMIN} with password {made['password']} (shown once).")
        else:
            self.stdout.write("Everything stands already.")


def bootstrap(var: Path) -> dict[str, str]:
    """Make what is missing; return the words to tell once (`password`, when the administrator is new)."""
    made: dict[str, str] = {}
    file = var / "studio.json"
    known = _read(file)
    admin = User.objects.filter(username=known.get("admin", ADMIN)).first()
    if admin is None:
        made["password"] = known["password"] = secrets.token_urlsafe(15)
        admin = create_user(
            actor=SYSTEM, username=ADMIN, password=made["password"], display_name="Admin", is_admin=True
        )
    actor = admin.as_actor()
    if not Workspace.objects.filter(slug=WORKSPACE).exists():
        found_workspace(actor=actor, slug=WORKSPACE, name="Main")
    if not _works(known.get("token", "")):
        _, known["token"] = create_token(actor=actor, name="this host's command line", days=TOKEN_DAYS)
    known |= {"url": settings.PUBLIC_URL, "admin": admin.username, "workspace": WORKSPACE}
    known.setdefault("password", "")
    _write(file, {key: known[key] for key in ("url", "admin", "password", "token", "workspace")})
    _invite_node(var / "node" / "node.json", actor)
    return made


def _works(token: str) -> bool:
    """Whether the token is good and stays so for a while."""
    try:
        actor = actor_of_token(tokens.parse(token))
    except Unauthenticated:
        return False
    user = User.objects.get(pk=actor.user_id or 0)
    return user.tokens.filter(pk=actor.token_id, expires__gt=timezone.now() + RENEW_BEFORE).exists()


def _invite_node(file: Path, actor: Actor) -> None:
    known = _read(file)
    token = known.get("token", "")
    try:
        parsed = tokens.parse(token)
        kept = Enrolment.objects.filter(
            pk=parsed.id, revoked__isnull=True, expires__gt=timezone.now(), target__workspace__slug=WORKSPACE
        ).first()
        good = kept is not None and tokens.matches(parsed.secret, kept.secret_hash)
    except ZaffreError:
        good = False
    if not good:
        # Long: this host's own node must be able to join again after its folder was lost.
        _, token = create_enrolment(WORKSPACE, TARGET, actor=actor, valid=timedelta(days=TOKEN_DAYS))
    _write(file, {"url": settings.PUBLIC_URL, "token": token, "target": TARGET})


def _read(file: Path) -> dict[str, str]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, content: dict[str, str]) -> None:
    """Replace the file whole; it holds secrets, so nobody else may read it, not even for a moment."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(content, out, indent=2)
        out.write("\n")
    fresh.replace(file)


def collect_static() -> None:
    """Run collectstatic when any source file changed since the last time (a second run costs nothing)."""
    if settings.STATIC_ROOT is None:
        return
    total = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            total.update(f"{path}\0{storage.size(path)}\0{os.stat(storage.path(path)).st_mtime_ns}\0".encode())
    stamp = Path(settings.STATIC_ROOT) / ".zaffre"
    if stamp.exists() and stamp.read_text() == total.hexdigest():
        return
    call_command("collectstatic", interactive=False, verbosity=0, clear=stamp.parent.exists())
    stamp.write_text(total.hexdigest())
