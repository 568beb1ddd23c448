"""Finding what somebody named, and telling the nearest name when there is no such thing."""

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import TypeVar

from django.db.models import Max, Model, QuerySet
from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid
from workspace.forms import split_reference

Version = TypeVar("Version", bound=Model)


def find_version(
    versions: QuerySet[Version],
    reference: str,
    *,
    noun: str,
    parents: QuerySet[Model],
    place: str,
    field: str,
    named: Callable[[str], object] | None = None,
) -> Version:
    """Return the version that `name` or `name:version` means among `versions`, whose parents are called `noun`.

    `parents` have the `versions`; `place` is where they are, for the error. `named` refuses what
    cannot be a name, in place of `clean_name`. Raises Invalid `no_such_version` or `no_such_<noun>`, naming the
    nearest one.
    """
    name, number = split_reference(reference, noun=f"{_article(noun)} {noun}", named=named)
    rows = versions.filter(**{f"{noun}__name": name})
    if number is not None:
        rows = rows.filter(version=number)
    found = rows.select_related(noun).order_by("-version").first()
    if found is not None:
        return found
    # Of those that are left: the counter of a parent may be at one that was deleted.
    known = dict(parents.values_list("name", Max("versions__version")))
    if name in known:
        told = {"noun": noun, "name": name, "number": number, "newest": known[name]}
        if not known[name]:
            text = _("The %(noun)s %(name)s has no version yet.")
        else:
            text = _("The %(noun)s %(name)s has no version %(number)s: its newest is %(newest)s.")
        raise Invalid(text % told, code="no_such_version", field=field)
    raise no_such(name, known, noun=noun, place=place, field=field, none=_("Register one first."))


def no_such(
    name: str, known: Iterable[str], *, noun: str, place: str, field: str, none: str, code: str = ""
) -> Invalid:
    """The error for a name that is not there; `none` says what to do when there is nothing at all."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    return Invalid(
        _("There is no %(noun)s %(name)s in %(place)s.") % {"noun": noun, "name": repr(name[:64]), "place": place}
        + did_you_mean(near[0] if near else None),
        code=code or f"no_such_{noun}",
        hint=_("There are: %(names)s.") % {"names": ", ".join(names[:10])} if names else none,
        field=field,
        nearest=near[0] if near else None,
    )


def did_you_mean(near: str | None) -> str:
    """What follows on the sentence that something is not there; "" when nothing is near."""
    return " " + _("Did you mean %(near)s?") % {"near": repr(near)} if near else ""


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
