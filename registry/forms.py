"""What people and code say about a model, checked in one place."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from runs.forms import clean_key, clean_value
from studio.kernel import paths
from studio.kernel.errors import Invalid

MAX_FACTS = 50
MAX_FRAMEWORK = 40


def clean_facts(facts: Mapping[str, Any] | None, *, noun: str) -> dict[str, str]:
    """Return tags or properties as texts. Raises Invalid that names the one that cannot be kept."""
    given = facts or {}
    if len(given) > MAX_FACTS:
        raise Invalid(f"{len(given)} of them, and a version of a model has at most {MAX_FACTS}.", field=noun)
    return {clean_key(key, noun=noun): clean_value(key, value, noun=noun) for key, value in given.items()}


def clean_framework(framework: str) -> str:
    """Return the name of a framework, empty for none. Raises Invalid."""
    text = framework.strip()
    if len(text) > MAX_FRAMEWORK or not (text.isprintable() or not text):
        raise Invalid(f"A framework's name has at most {MAX_FRAMEWORK} characters on one line.", field="framework")
    return text


def clean_path(path: str) -> str:
    """Return a path among a run's files as it is kept there: `./outputs/model/` is `outputs/model`. Raises Invalid."""
    text = path.strip()
    while text.startswith("./"):
        text = text[2:].lstrip("/")
    text = text.rstrip("/")
    if text in {"", "."}:
        raise Invalid("Name the file or folder of the run's outputs that is the model.", field="path")
    return paths.clean(text)


def nearest(wanted: str, known: Iterable[str]) -> str | None:
    """The known path that was probably meant: one of the same name, else a similar one."""
    found = list(known)
    name = wanted.rpartition("/")[2]
    same = [path for path in found if path.rpartition("/")[2] == name]
    if same:
        return min(same, key=len)
    near = get_close_matches(wanted, found, n=1, cutoff=0.4)
    return near[0] if near else None
