"""What people and code say about a model, checked in one place."""

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote, urlsplit

from registry.models import Stage
from studio.kernel import paths
from studio.kernel.errors import Invalid, NotFound
from workspace.forms import clean_key, clean_value

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


#: A tag that is asked for: its key, and its value, None for any.
Wanted = tuple[str, str | None]
MAX_NAME = 256
MAX_ALIAS = 255
MAX_TAGS = 500
MAX_TAG_KEY, MAX_TAG_VALUE = 250, 100_000
_ALIAS = re.compile(r"[\w-]{1,255}\Z")
_NUMBERED = re.compile(r"[vV]\d+\Z")


def clean_model_name(name: str) -> str:
    """Return the name of a model: what can stand in an address and before a colon. Raises Invalid."""
    if not name or not name.strip():
        raise Invalid("Registered model name cannot be empty.", field="name")
    odd = not name.isprintable() or name != name.strip() or name in {".", ".."} or any(char in name for char in "/:@")
    if odd or len(name) > MAX_NAME:
        raise Invalid(
            f"Invalid model name: {name[:80]!r}. It has at most {MAX_NAME} visible characters, and no / : or @.",
            field="name",
        )
    return name


def clean_alias(alias: str) -> str:
    """Return the alias of a version. Raises Invalid for one that a number or `latest` could be meant by."""
    if not alias:
        raise Invalid("Registered model alias name cannot be empty.", field="alias")
    if not _ALIAS.match(alias):
        raise Invalid(
            f"Invalid alias name: {alias[:80]!r}. It has at most {MAX_ALIAS} letters, digits, underscores and dashes.",
            field="alias",
        )
    if alias.lower() == "latest":
        raise Invalid("'latest' alias name (case insensitive) is reserved.", field="alias")
    if _NUMBERED.match(alias):
        raise Invalid(f"Version alias name {alias!r} is reserved.", field="alias")
    return alias


def clean_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags of a model or a version. Raises Invalid that names the one that cannot be kept."""
    if len(tags) > MAX_TAGS:
        raise Invalid(f"{len(tags)} tags, and at most {MAX_TAGS} are kept.", field="tags")
    for key, value in tags.items():
        if not 1 <= len(key) <= MAX_TAG_KEY or not key.isprintable():
            raise Invalid(f"The tag key {key[:80]!r} has 1 to {MAX_TAG_KEY} visible characters.", field="tags")
        if len(value) > MAX_TAG_VALUE or "\0" in value:
            raise Invalid(f"The value of the tag {key!r} has at most {MAX_TAG_VALUE} characters.", field="tags")
    return dict(tags)


def clean_wanted(text: str, *, field: str) -> list[Wanted]:
    """What is asked of tags: JSON such as ["stage", ["kind", "tree"]], a key that is there and one with its value.

    Raises Invalid.
    """
    try:
        found: Any = json.loads(text or "[]")
    except (ValueError, RecursionError):
        found = None
    told: list[Any] = [[one] if isinstance(one, str) else one for one in found] if isinstance(found, list) else [None]
    for one in told:
        if not isinstance(one, list) or len(one) not in (1, 2) or not all(isinstance(word, str) for word in one):
            raise Invalid(f'{field} is JSON such as ["stage", ["kind", "tree"]].', field=field)
    if len(told) > MAX_FACTS:
        raise Invalid(f"{len(told)} of them, and a version of a model has at most {MAX_FACTS}.", field=field)
    return [(one[0], one[1] if len(one) == 2 else None) for one in told]


def no_such_model(name: str) -> NotFound:
    return NotFound(f"There is no model {name[:80]!r}.", model=name[:256])


def no_such_version(name: str, version: int | str) -> NotFound:
    return NotFound(f"The model {name[:80]} has no version {version}.", model=name[:256], version=version)


def stage_of(word: str) -> Stage:
    """The stage of a word in any case. Raises Invalid."""
    for one in Stage:
        if one.value.lower() == word.lower():
            return one
    raise Invalid(
        f"Invalid Model Version stage: {word[:40]}. Value must be one of {', '.join(Stage.values)}.", field="stage"
    )


def refuse_local(source: str) -> None:
    """Raise Invalid for no source, a path of the caller's own machine, and one with relative parts."""
    if not source:
        raise Invalid("Missing value for required parameter 'source'.", field="source")
    parts = urlsplit(source)
    if parts.scheme in {"", "file"} or len(parts.scheme) == 1:
        raise Invalid(
            f"Invalid model version source: '{source[:200]}'. To use a local path as a model version source, the "
            "run_id "
            "request parameter has to be specified and the local path has to be contained within the artifact "
            "directory of the run specified by the run_id.",
            field="source",
        )
    if ".." in unquote(parts.path).replace("\\", "/").split("/"):
        raise Invalid(
            f"Invalid model version source: '{source[:200]}'. Please provide an absolute path without relative parts.",
            field="source",
        )
