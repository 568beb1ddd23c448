"""What a table of runs is asked for, read from its address: what is shown, of which runs, in which order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from django.utils.translation import gettext as _

from runs.filters import parse_tree
from runs.models import Status
from runs.tables.columns import Column, Sort, parse_columns, parse_groups, parse_sort, parse_widths
from studio.kernel.errors import Invalid

MOST_QUERY = 20_000
MAX_NAME = 100
#: {word of an address: days}.
SINCE = {"1d": 1, "7d": 7, "30d": 30, "90d": 90}
AGGREGATES = ("mean", "min", "max", "std", "count")
HIDDEN = ("failed",)
#: Words of the charts above a table, which its scripts read and write: which runs and charts, and how they are drawn.
DRAWN = ("eyes", "strip", "plots", "smooth", "x", "logx", "logy", "clip", "std", "zoom")
MOST_DRAWN = 6000
#: Words of an address that a view keeps, in the order in which it says them.
KEPT = (
    *("filter", "status", "since", "mine", "hide", "archived", "nest"),
    *("columns", "widths", "order_by", "group", "aggregate"),
    *DRAWN,
)


@dataclass(frozen=True)
class Asked:
    filter: str = ""
    status: str = ""
    #: So many days at most ago, 0 for any time.
    days: int = 0
    #: Only what the reader has submitted.
    mine: bool = False
    #: Leave out runs that failed.
    hide: str = ""
    #: Archived runs instead of all others.
    archived: bool = False
    #: Runs below others only where these are opened.
    nest: bool = False
    #: Empty: those that say most about the rows.
    columns: tuple[Column, ...] = ()
    #: {column: pixels} of those that somebody has dragged.
    widths: Mapping[Column, int] = field(default_factory=dict)
    sort: Sort | None = None
    groups: tuple[Column, ...] = ()
    aggregate: str = AGGREGATES[0]
    #: {word of DRAWN: as an address says it}.
    drawn: Mapping[str, str] = field(default_factory=dict)
    after: str = ""
    before: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether it shows less than all runs."""
        return bool(self.filter or self.status or self.days or self.mine or self.hide or self.archived or self.nest)

    @property
    def words(self) -> dict[str, str]:
        """What an address says to ask for the same, without the place in the pages."""
        said = {
            "filter": self.filter,
            "status": self.status,
            "since": next((word for word, days in SINCE.items() if days == self.days), ""),
            "mine": "1" if self.mine else "",
            "hide": self.hide,
            "archived": "1" if self.archived else "",
            "nest": "1" if self.nest else "",
            "columns": ",".join(one.text for one in self.columns),
            "widths": ",".join(f"{width}:{one.text}" for one, width in self.widths.items()),
            "order_by": self.sort.text if self.sort else "",
            "group": ",".join(one.text for one in self.groups),
            "aggregate": self.aggregate if self.groups and self.aggregate != AGGREGATES[0] else "",
            **self.drawn,
        }
        return {word: value for word, value in said.items() if value}

    @property
    def query(self) -> str:
        return urlencode(self.words)


def read(words: Mapping[str, str]) -> Asked:
    """What an address asks for. Raises Invalid for what cannot be meant; the filter itself is read where it is used."""

    def said(name: str) -> str:
        return str(words.get(name) or "").replace("\0", "")

    return Asked(
        filter=said("filter").strip() and said("filter"),
        status=_one_of(said("status"), Status.values, "status"),
        days=SINCE.get(_one_of(said("since"), SINCE, "since"), 0),
        mine=said("mine") in ("1", "true"),
        hide=_one_of(said("hide"), HIDDEN, "hide"),
        archived=said("archived") in ("1", "true"),
        nest=said("nest") in ("1", "true"),
        # A row begins with the run's name anyway.
        columns=tuple(one for one in parse_columns(said("columns")) if one != Column("attribute", "name")),
        widths=parse_widths(said("widths")),
        sort=parse_sort(said("order_by")),
        groups=parse_groups(said("group")),
        aggregate=_one_of(said("aggregate"), AGGREGATES, "aggregate") or AGGREGATES[0],
        drawn={name: said(name) for name in DRAWN if 0 < len(said(name)) <= MOST_DRAWN},
        after=said("after"),
        before=said("before"),
    )


def read_query(text: str) -> Asked:
    """`read` of a query string. Raises Invalid."""
    if len(text) > MOST_QUERY:
        raise Invalid(_("A table's address has at most %(most)s characters.") % {"most": MOST_QUERY}, field="query")
    try:
        return read(dict(parse_qsl(text.removeprefix("?"), max_num_fields=100)))
    except ValueError:
        raise Invalid(_("A table's address has at most 100 words."), field="query") from None


def clean_query(text: str) -> str:
    """A table's query string as views keep it. Raises Invalid for a mistake in any part, also in the filter."""
    asked = read_query(text)
    parse_tree(asked.filter)
    return asked.query


def clean_name(name: str) -> str:
    """The name of a view: 1 to 100 visible characters on one line. Raises Invalid."""
    line = name.strip()
    if not 1 <= len(line) <= MAX_NAME or not line.isprintable():
        raise Invalid(
            _("The name of a view has 1 to %(most)s characters on one line.") % {"most": MAX_NAME}, field="name"
        )
    return line


def _one_of(word: str, known: Mapping[str, int] | tuple[str, ...] | list[str], what: str) -> str:
    if word and word not in known:
        raise Invalid(
            _("The %(what)s is one of %(known)s, not %(word)s.")
            % {"what": what, "known": ", ".join(known), "word": repr(word[:40])},
            field=what,
        )
    return word
