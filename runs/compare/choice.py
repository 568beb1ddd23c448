"""What a comparison's address says: which runs in which order, the baseline, the tab and its settings. No database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid

MOST = 200
TABS = ("charts", "details", "metrics", "parallel", "scatter", "box", "code", "packages", "images", "tables")
#: Those that a script draws from the JSON of the comparison.
DRAWN = ("parallel", "scatter", "box")
#: Settings of the tabs, each once or (`_LISTS`) several times.
_WORDS = {
    *("base", "tab", "only", "find", "stat", "from", "a", "b", "view", "name"),
    *("sx", "sy", "slogx", "slogy", "colour", "surface", "group"),
    *("smooth", "x", "logx", "logy", "clip", "std", "diff", "charts"),
    *("zoom", "eyes", "order"),
}
_LISTS = {"axis", "log", "flip", "brush"}
#: A setting longer than this is left out, and so are more of one kind.
MOST_LENGTH, MOST_OF_A_LIST = 400, 40
#: The same of words that name runs or metrics.
MOST_NAMED = {"eyes": 6000, "order": 4000}


@dataclass(frozen=True)
class Choice:
    """`runs` are the ids in their order, each once; `words` the settings that were given."""

    runs: tuple[str, ...]
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def word(self, name: str, default: str = "") -> str:
        given = self.words.get(name)
        return given[-1] if given else default

    @property
    def tab(self) -> str:
        tab = self.word("tab")
        return tab if tab in TABS else TABS[0]

    def query(self, *, runs: Sequence[str] | None = None, **changes: str | None) -> str:
        """The query string with these settings changed; None and "" take one out."""
        words = {**self.words, **{name: [value] if value else [] for name, value in changes.items()}}
        pairs = [("run", run) for run in (self.runs if runs is None else runs)]
        pairs += [(name, value) for name, values in sorted(words.items()) for value in values]
        return urlencode(pairs)

    def without(self, run: str) -> str:
        """The query string without one of the runs."""
        gone = {name: None for name in ("base", "a", "b") if self.word(name) == run}
        return self.query(runs=[one for one in self.runs if one != run], **gone)


def parse(given: Mapping[str, Sequence[str]]) -> Choice:
    """Read the words of an address. Raises Invalid `too_many` over MOST runs; what it does not know is left out."""
    runs = tuple(dict.fromkeys(one.strip().replace("\0", "") for one in given.get("run", ()) if one.strip()))
    if len(runs) > MOST:
        raise Invalid(
            _("%(runs)s runs are more than can be compared at once: %(most)s are the most.")
            % {"runs": len(runs), "most": MOST},
            code="too_many",
            hint=_("Choose fewer of them, by a filter on the page of runs for example."),
            field="run",
        )
    return Choice(runs, dict(_settings(given)))


def parse_address(text: str) -> Choice:
    """Read a query string or the whole address of a page of comparison, as somebody copied it. Raises as `parse`."""
    query = urlsplit(text.strip()).query if "?" in text else text.strip()
    try:
        return parse(parse_qs(query, max_num_fields=MOST * 2))
    except ValueError:
        raise Invalid(_("This is not the address of a comparison."), field="query") from None


def _settings(given: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
    for name, values in given.items():
        if name in _WORDS:
            kept = values[-1:]
        elif name in _LISTS:
            kept = values[:MOST_OF_A_LIST]
        else:
            continue
        fitting = [
            value.replace("\0", "") for value in kept if value and len(value) <= MOST_NAMED.get(name, MOST_LENGTH)
        ]
        if fitting:
            yield name, fitting
