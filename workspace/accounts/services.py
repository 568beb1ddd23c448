"""Logging in, tokens, and the accounts themselves."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from studio.kernel import ids, tokens
from studio.kernel.actors import Actor
from studio.kernel.api import address_of
from studio.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated
from workspace.accounts import forms, throttle
from workspace.accounts.models import Token, User
from workspace.accounts.queries import get_user, require_site_admin, user_of
from workspace.audit.services import record
from workspace.models import Membership, Role, Workspace

# --- sessions --------------------------------------------------------------------------------------


def log_in(request: HttpRequest, username: str, password: str) -> User:
    """Begin a session for the person and return them. Raises as `prove` does."""
    username, address = username.strip(), address_of(request)
    user = _proven(request, username, password, address=address)
    with transaction.atomic():
        # Also gives the session a new key, so that one planted before the log-in is worthless.
        login(request, user)
        record(actor=user.as_actor(address=address), workspace=None, action="session.begin", target=username)
    return user


@dataclass(frozen=True, slots=True)
class Proof:
    """Who proved a password, and a stamp that changes with it (see queries.actor_of_proof)."""

    user_id: int
    stamp: str


def prove(username: str, password: str, *, address: str) -> Proof:
    """Say whose password this is, without a session: for programs that send it with every request.

    Raises TooMany after 5 failures of the account or 20 of the address in 15 minutes, else
    Unauthenticated with one and the same sentence, whether the name or the password was wrong.
    """
    user = _proven(None, username.strip(), password, address=address)
    return Proof(user.pk, user.get_session_auth_hash())


def _proven(request: HttpRequest | None, username: str, password: str, *, address: str) -> User:
    throttle.begin(username=username, address=address)
    user = _matching(request, username, password)
    if user is None:
        record(
            actor=Actor(kind="anonymous", name="anonymous", address=address),
            workspace=None,
            action="session.refuse",
            target=username,
        )
        raise Unauthenticated(
            _("The user name or the password is wrong."), hint=_("Both are case-sensitive."), code="wrong_login"
        )
    throttle.succeeded(username=username, address=address)
    return user


def _matching(request: HttpRequest | None, username: str, password: str) -> User | None:
    too_long = len(username) > forms.MAX_USERNAME or len(password) > forms.MAX_PASSWORD
    if too_long or "\0" in username or "\0" in password:
        return None
    # Takes as long for an unknown name: Django hashes the password then, too.
    user = authenticate(request, username=username, password=password)
    return user if isinstance(user, User) else None


def log_out(request: HttpRequest, *, actor: Actor) -> None:
    """End the session of this browser. Harmless when there is none."""
    with transaction.atomic():
        if actor.is_user:
            record(actor=actor, workspace=None, action="session.end", target=actor.name)
        logout(request)


def change_password(request: HttpRequest | None, *, actor: Actor, old: str, new: str) -> None:
    """Give the actor a new password and end all other sessions; personal tokens keep working.

    Without a request, for programs, all sessions end.
    Raises Invalid for a wrong old or a weak new password, TooMany as `log_in` does.
    """
    user, address = user_of(actor), actor.address
    throttle.begin(username=user.username, address=address)
    if len(old) > forms.MAX_PASSWORD or not user.check_password(old):
        raise Invalid(_("The present password is wrong."), code="wrong_password", field="old")
    throttle.succeeded(username=user.username, address=address)
    forms.clean_password(new, user=user, field="new")
    with transaction.atomic():
        user.set_password(new)
        user.save(update_fields=["password"])
        record(actor=actor, workspace=None, action="password.change", target=user.username)
        # Sessions carry a digest of the password's hash: this one gets the new digest, others end.
        if request is not None:
            update_session_auth_hash(request, user)


# --- tokens ----------------------------------------------------------------------------------------


@transaction.atomic
def create_token(*, actor: Actor, name: str, days: int = forms.TOKEN_DAYS) -> tuple[Token, str]:
    """Make a personal access token; return its row and its text, which is kept nowhere.

    Made with a token, the new one ends no later than its maker, so that a stolen token cannot be prolonged.
    Raises Invalid for a bad name, or for days outside of 1 to 366.
    """
    user = user_of(actor)
    name = forms.clean_line(name, most=forms.MAX_TOKEN_NAME, noun="A token's name", field="name")
    expires = timezone.now() + timedelta(days=forms.clean_days(days))
    maker = Token.objects.filter(pk=actor.token_id).first() if actor.token_id else None
    if maker is not None:
        expires = min(expires, maker.expires)
    token_id = ids.ulid()
    plain, secret_hash = tokens.new("pat", token_id)
    token = Token.objects.create(id=token_id, user=user, name=name, secret_hash=secret_hash, expires=expires)
    record(
        actor=actor,
        workspace=None,
        action="token.create",
        target=name,
        fields={"id": token_id, "expires": expires.isoformat()},
    )
    return token, plain


@transaction.atomic
def revoke_token(token_id: str, *, actor: Actor) -> None:
    """End one of the actor's own tokens at once. Raises NotFound for any other."""
    user = user_of(actor)
    mine = Token.objects.filter(pk=token_id, user=user, revoked__isnull=True)
    if not mine.update(revoked=timezone.now()):
        raise NotFound(_("You have no such token."), hint=_("See the list of your tokens."))
    record(actor=actor, workspace=None, action="token.revoke", target=token_id)


# --- accounts --------------------------------------------------------------------------------------


def create_user(*, actor: Actor, username: str, password: str, display_name: str = "", is_admin: bool = False) -> User:
    """Make an account. For site administrators and the studio itself.

    Raises Invalid for a bad name or a weak password, Conflict `taken` when the name is in use
    (upper and lower case are the same here, because people mix them up).
    """
    require_site_admin(actor)
    username = forms.clean_username(username)
    display_name = forms.clean_line(
        display_name, most=forms.MAX_DISPLAY_NAME, noun="A display name", field="display_name", empty=True
    )
    user = User(username=username, display_name=display_name, is_superuser=is_admin, is_staff=is_admin)
    forms.clean_password(password, user=user)
    user.set_password(password)
    taken = Conflict(
        _("The user name %(username)s is taken.") % {"username": repr(username)}, code="taken", field="username"
    )
    if User.objects.filter(username__iexact=username).exists():
        raise taken
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            record(actor=actor, workspace=None, action="user.create", target=username, fields={"site_admin": is_admin})
    except IntegrityError:
        raise taken from None
    return user


@transaction.atomic
def deactivate_user(username: str, *, actor: Actor) -> None:
    """Close an account: its sessions and tokens end at once; what the person made stays, with the name.

    For site administrators. Raises Conflict for one's own account, and `last_owner` while a workspace has
    no other owner.
    """
    user = get_user(username, actor=actor)
    if user.pk == actor.user_id:
        raise Conflict(_("You cannot close your own account."), hint=_("Ask another site administrator."))
    if not user.is_active:
        return
    # In one order for everybody, and before looking, so that two owners cannot close each other out.
    owned = Workspace.objects.filter(memberships__user=user, memberships__role=Role.OWNER)
    spaces = list(Workspace.objects.select_for_update().filter(pk__in=owned.values("pk")).order_by("pk"))
    others = dict(
        Membership.objects.filter(workspace__in=spaces, role=Role.OWNER, user__is_active=True)
        .exclude(user=user)
        .values_list("workspace")
        .annotate(Count("pk"))
    )
    orphans = [space.slug for space in spaces if not others.get(space.pk)]
    if orphans:
        raise Conflict(
            _("%(username)s is the last owner of %(orphans)s.")
            % {"username": user.username, "orphans": ", ".join(orphans[:5])},
            code="last_owner",
            hint=_("Have another member made owner first."),
            workspaces=orphans,
        )
    User.objects.filter(pk=user.pk).update(is_active=False)
    ended = Token.objects.filter(user=user, revoked__isnull=True).update(revoked=timezone.now())
    record(actor=actor, workspace=None, action="user.deactivate", target=user.username, fields={"tokens": ended})


@transaction.atomic
def activate_user(username: str, *, actor: Actor) -> None:
    """Open a closed account again. Its old tokens stay revoked. For site administrators."""
    user = get_user(username, actor=actor)
    if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        record(actor=actor, workspace=None, action="user.activate", target=user.username)


@transaction.atomic
def set_site_admin(username: str, *, actor: Actor, is_admin: bool) -> User:
    """Make somebody a site administrator, or take that away. For site administrators.

    Raises NotFound also for a closed account, and Conflict `last_admin` when nobody would be left.
    """
    user = get_user(username, actor=actor)
    # All of them and in one order, so that two administrators cannot take it from each other at once.
    admins = User.objects.select_for_update().filter(is_superuser=True, is_active=True).order_by("pk")
    others = [one.pk for one in admins if one.pk != user.pk]
    if not user.is_active:
        raise NotFound(
            _("The account of %(username)s is closed.") % {"username": user.username}, hint=_("Open it again first.")
        )
    if not is_admin and not others:
        raise Conflict(
            _("%(username)s is the last site administrator.") % {"username": user.username}, code="last_admin"
        )
    if User.objects.filter(pk=user.pk).exclude(is_superuser=is_admin).update(is_superuser=is_admin, is_staff=is_admin):
        record(actor=actor, workspace=None, action="user.change", target=username, fields={"site_admin": is_admin})
    return User.objects.get(pk=user.pk)


@transaction.atomic
def update_profile(
    *, actor: Actor, display_name: str | None = None, language: str | None = None, theme: str | None = None
) -> User:
    """Change how the actor is shown and how pages are shown to them; None leaves a field as it is.

    Raises Invalid for a language or theme that does not exist.
    """
    user = user_of(actor)
    wanted: dict[str, str] = {}
    if display_name is not None:
        wanted["display_name"] = forms.clean_line(
            display_name, most=forms.MAX_DISPLAY_NAME, noun="A display name", field="display_name", empty=True
        )
    if language is not None:
        wanted["language"] = forms.clean_language(language)
    if theme is not None:
        wanted["theme"] = forms.clean_theme(theme)
    changed = {field: value for field, value in wanted.items() if getattr(user, field) != value}
    if changed:
        for field, value in changed.items():
            setattr(user, field, value)
        user.save(update_fields=list(changed))
        record(actor=actor, workspace=None, action="profile.change", target=user.username, fields=sorted(changed))
    return user
