"""MLflow's searches as ours: the same grammar, but other words for the state of a run."""

import re
from collections.abc import Sequence

from runs.filters import And, Comparison, Not, Or, Order, Tree, parse_filter, parse_order, parse_tree
from studio.kernel.errors import Invalid
from studio.mlflow.shapes import ENDS, statuses_of

_WORDS = ("RUNNING", "SCHEDULED", *ENDS)
_OF_EXPERIMENTS = {"name", "experiment_id", "creation_time", "last_update_time"}


def of_runs(text: str | None) -> Tree | None:
    """Raises Invalid `bad_filter`."""
    tree = parse_tree(text or "")
    return tree and _translated(tree)


def _translated(tree: Tree) -> Tree:
    if isinstance(tree, Comparison):
        return _in_our_words(tree)
    if isinstance(tree, Not):
        return Not(_translated(tree.part))
    parts = tuple(map(_translated, tree.parts))
    return And(parts) if isinstance(tree, And) else Or(parts)


def of_experiments(text: str | None) -> list[Comparison]:
    return parse_filter(text or "", attributes=_OF_EXPERIMENTS)


def order_of_experiments(texts: Sequence[str] | None) -> list[Order]:
    """Raises Invalid `bad_filter`."""
    if len(texts or ()) > 20:
        raise Invalid("At most 20 columns order a search.")
    return [parse_order(text, attributes=_OF_EXPERIMENTS) for text in texts or ()]


def order_of_runs(texts: Sequence[str] | None) -> list[Order]:
    """Raises Invalid `bad_filter`."""
    if len(texts or ()) > 20:
        raise Invalid("At most 20 columns order a search.")
    return [parse_order(text) for text in texts or ()]


def _in_our_words(one: Comparison) -> Comparison:
    if one.field.kind != "attribute" or one.field.key != "status":
        return one
    chosen = [status for word in _WORDS if _matches(one, word) for status in statuses_of(word)]
    return Comparison(one.field, "IN", tuple(chosen))


def _matches(one: Comparison, word: str) -> bool:
    if isinstance(one.value, tuple):
        return (word in one.value) == (one.op == "IN")
    text = str(one.value)
    if one.op in {"LIKE", "ILIKE"}:
        pattern = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in text)
        return bool(re.fullmatch(pattern, word, re.IGNORECASE if one.op == "ILIKE" else re.NOFLAG))
    return (word == text) == (one.op == "=")
