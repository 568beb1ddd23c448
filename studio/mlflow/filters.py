"""MLflow's searches as ours: the same grammar, but other words for the state of a run."""

from collections.abc import Sequence

from runs.filters import And, Comparison, Not, Or, Order, Text, Tree, parse_order, parse_tree
from runs.filters.words import RUN_ATTRIBUTES, states
from runs.search import EXPERIMENT_ATTRIBUTES
from studio.kernel.errors import Invalid

#: A status that there is not is no mistake to MLflow's clients: it finds nothing.
_OF_RUNS = {**RUN_ATTRIBUTES, "status": "text"}
MOST_ORDERS = 20


def of_runs(text: str | None) -> Tree | None:
    """Raises Invalid `bad_filter`."""
    tree = parse_tree(text or "", attributes=_OF_RUNS)
    return tree and _translated(tree)


def _translated(tree: Tree) -> Tree:
    if isinstance(tree, Comparison):
        return _in_our_words(tree)
    if isinstance(tree, Text):
        return tree
    if isinstance(tree, Not):
        return Not(_translated(tree.part))
    parts = tuple(map(_translated, tree.parts))
    return And(parts) if isinstance(tree, And) else Or(parts)


def of_experiments(text: str | None) -> Tree | None:
    """Raises Invalid `bad_filter`."""
    return parse_tree(text or "", attributes=EXPERIMENT_ATTRIBUTES)


def order_of_experiments(texts: Sequence[str] | None) -> list[Order]:
    """Raises Invalid `bad_filter`."""
    if len(texts or ()) > MOST_ORDERS:
        raise Invalid(f"At most {MOST_ORDERS} columns order a search.")
    found = [parse_order(text, attributes=EXPERIMENT_ATTRIBUTES) for text in texts or ()]
    for one in found:
        if one.field.kind not in ("attribute", "tag"):
            raise Invalid(f"Experiments are not ordered by {one.field.kind}s.", code="bad_filter")
    return found


def order_of_runs(texts: Sequence[str] | None) -> list[Order]:
    """Raises Invalid `bad_filter`."""
    if len(texts or ()) > MOST_ORDERS:
        raise Invalid(f"At most {MOST_ORDERS} columns order a search.")
    return [parse_order(text) for text in texts or ()]


def _in_our_words(one: Comparison) -> Comparison:
    of_status = one.field.kind == "attribute" and one.field.key == "status"
    if not of_status or one.value is None or one.op in ("~", "!~"):
        return one
    return Comparison(one.field, "IN", states(one.op, one.value, theirs=True), one.place)
