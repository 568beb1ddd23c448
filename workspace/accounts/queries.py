"""Reading people and their tokens, and turning a token into an actor."""

import hmac
from datetime import timedelta

from django.contrib.auth.backends import ModelBackend
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from studio.kernel import tokens
from studio.kernel.actors import Actor
from studio.kernel.errors import Forbidden, NotFound, Unauthenticated
from studio.kernel.rows import read
from workspace.accounts.models import Token, User

#: `last_used` is a help for people, not a counter: one write a minute and token is enough.
NOTE_USE_AFTER = timedelta(minutes=1)


class People(ModelBackend):
    """Who a session is about: as Django asks, by a statement that is written already."""

    def get_user(self, user_id: int) -> User | None:
        return next(iter(read(User, "id = %(id)s AND is_active", {"id": user_id})), None)


def actor_of_token(parsed: tokens.Parsed, *, address: str = "") -> Actor:
    """Return the person behind a personal access token.

    Raises Unauthenticated when it is unknown, revoked or expired (and then says since when), or
    when its owner's account is closed.
    """
    token = Token.objects.select_related("user").filter(pk=parsed.id).first()
    # Only who knows the secret learns why the token does not work.
    if token is None or not tokens.matches(parsed.secret, token.secret_hash):
        raise Unauthenticated(_("This token is unknown."), hint=_("Make a new one under your account's tokens."))
    return _actor_of(token, address=address)


def actor_of_token_id(token_id: str) -> Actor:
    """The person whose token made something that is now used without it. Raises Unauthenticated as above."""
    token = Token.objects.select_related("user").filter(pk=token_id).first()
    if token is None:
        raise Unauthenticated(_("The token that made this does not exist any more."))
    return _actor_of(token, address="")


def _actor_of(token: Token, *, address: str) -> Actor:
    now = timezone.now()
    if token.revoked:
        raise Unauthenticated(
            _("This token was revoked on %(revoked)s.") % {"revoked": format(token.revoked, "%Y-%m-%d")},
            hint=_("Make a new one."),
        )
    if token.expires <= now:
        raise Unauthenticated(
            _("This token expired on %(expires)s.") % {"expires": format(token.expires, "%Y-%m-%d")},
            hint=_("Make a new one."),
        )
    if not token.user.is_active:
        raise Unauthenticated(_("The account of this token is closed."), hint=_("Ask a site administrator."))
    if token.last_used is None or token.last_used < now - NOTE_USE_AFTER:
        stale = Q(last_used__isnull=True) | Q(last_used__lt=now - NOTE_USE_AFTER)
        Token.objects.filter(stale, pk=token.pk).update(last_used=now)
    return token.user.as_actor(token_id=token.pk, address=address)


def actor_of_proof(user_id: int, stamp: str, *, address: str = "") -> Actor:
    """Return the person who proved a password. Raises Unauthenticated when it was changed or the account closed."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not hmac.compare_digest(user.get_session_auth_hash(), stamp):
        raise Unauthenticated(_("The password was changed, or the account is closed."))
    return user.as_actor(address=address)


def stamp_of(*, actor: Actor) -> str:
    """What changes when the actor gets another password, for `actor_of_proof`."""
    return user_of(actor).get_session_auth_hash()


def user_of(actor: Actor) -> User:
    """Return the row of the acting person. Raises as `require_person`, and Unauthenticated for a closed account."""
    require_person(actor=actor)
    user = User.objects.filter(pk=actor.user_id or 0, is_active=True).first()
    if user is None:
        raise Unauthenticated(_("This account is closed."))
    return user


def require_person(*, actor: Actor) -> None:
    """Raises Unauthenticated for nobody, Forbidden for a machine: an account is a person's own."""
    if actor.kind == "anonymous":
        raise Unauthenticated(_("Log in, or send a token in the Authorization header."))
    if not actor.is_user:
        raise Forbidden(_("An account belongs to a person: log in, or send a personal token."))


def require_site_admin(actor: Actor) -> None:
    """Return quietly for a site administrator and for the studio itself; raises otherwise."""
    if actor.kind == "anonymous":
        raise Unauthenticated(_("Log in, or send a token in the Authorization header."))
    if actor.kind == "system" or (actor.is_user and actor.is_admin):
        return
    raise Forbidden(_("Only site administrators manage accounts."), hint=_("Ask whoever runs this studio."))


def list_tokens(*, actor: Actor) -> QuerySet[Token]:
    """Return the actor's own tokens that are not revoked, newest first (expired ones included)."""
    return Token.objects.filter(user=user_of(actor), revoked__isnull=True).order_by("-created", "-pk")


def list_users(*, actor: Actor) -> QuerySet[User]:
    """Return everybody with an account, by name. Site administrators only."""
    require_site_admin(actor)
    return User.objects.order_by("username")


def get_user(username: str, *, actor: Actor) -> User:
    """Return one account. Site administrators only; raises NotFound when there is none."""
    require_site_admin(actor)
    user = User.objects.filter(username=username).first() if "\0" not in username else None
    if user is None:
        raise NotFound(_("There is no account %(username)s.") % {"username": repr(username[:150])})
    return user
