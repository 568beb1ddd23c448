"""What all nouns share: flags, the workspace that is meant, tables, ages."""

from __future__ import annotations

import argparse
import json
import os
import sys
import unicodedata
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence

from zaffre import protocol
from zaffre.errors import ConfigError, UserErrorException

if TYPE_CHECKING:
    from zaffre.config import Login
    from zaffre.core.workspace import Workspace

Handler = Callable[[argparse.Namespace], Optional[int]]
#: A person waits: a studio that is away is told sooner than to a script.
_PATIENCE = 5.0


def nearest(word: str, words: Sequence[str]) -> str:
    """The one of `words` that is meant: it begins so, or is spelled nearly so; '' when there is none."""
    from difflib import get_close_matches

    begins = [one for one in words if word and one.startswith(word)]
    return next(iter(begins or get_close_matches(word, words, n=1)), "")


def noun(nouns: Any, name: str, text: str) -> Any:
    """A noun's parser; returns what verbs are added to."""
    parser = nouns.add_parser(name, help=text, description=text)
    return parser.add_subparsers(dest="verb", required=True, metavar="VERB")


def verb(verbs: Any, name: str, handle: Handler, text: str) -> argparse.ArgumentParser:
    """A command with the flags that every command has."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    add_flags(parser)
    parser.set_defaults(handle=handle)
    return parser


def add_flags(parser: argparse.ArgumentParser) -> None:
    shared = parser.add_argument_group("everywhere")
    shared.add_argument("--json", action="store_true", help="print exactly one JSON document")
    shared.add_argument("--workspace", "-w", "--workspace-name", metavar="NAME", help="the workspace that is meant")
    shared.add_argument("--url", help="the address of the studio")
    shared.add_argument("--profile", metavar="NAME", help="the login to use")
    # What lines of `az ml` hold besides: a subscription means nothing here.
    shared.add_argument("--output", "-o", choices=("json", "table"), action=_Output, help=argparse.SUPPRESS)
    for words in (("--resource-group", "-g"), ("--subscription", "--subscription-id")):
        shared.add_argument(*words, help=argparse.SUPPRESS)


class _Output(argparse.Action):
    """`-o json` as --json; `-o table` is what people get anyway."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        namespace.json = values == "json"


def named(parser: argparse.ArgumentParser, what: str, *flags: str, metavar: str, text: str = "") -> Any:
    """What a command is about: a word, or behind one of `flags`, as in lines of `az ml`. It has to be one of them."""
    parser.add_argument(what, nargs="?", metavar=metavar, help=text or None)
    parser.add_argument(*flags, dest=f"flag_{what}", metavar=metavar, help=argparse.SUPPRESS)
    parser.set_defaults(required_words=[*(parser.get_default("required_words") or []), what], used=parser)
    return parser


def one_named(verbs: Any, word: str, handle: Any, text: str) -> argparse.ArgumentParser:
    """A verb about one thing that has a name. For one that takes no other word: of two, the first has to be there."""
    parser = verb(verbs, word, handle, text)
    named(parser, "name", "--name", "-n", metavar="NAME")
    return parser


def one_run(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """A command about one run."""
    named(parser, "run", "--run", "-r", metavar="RUN", text="the id of the run")
    parser.add_argument("--experiment-name", "-e", help=argparse.SUPPRESS)
    return parser


def settle(options: argparse.Namespace) -> None:
    """Put what was given behind a flag where its word is looked for; a usage error when neither is there."""
    for what in getattr(options, "required_words", ()):
        given = getattr(options, what) or getattr(options, f"flag_{what}")
        if not given:
            options.used.error(f"the following arguments are required: {what.upper()}")
        setattr(options, what, given)


# --- where to ---------------------------------------------------------------------------------------------


def login_of(options: argparse.Namespace) -> "Login":
    """The login that the flags, the environment, this project's config file or the login file give."""
    from zaffre import config

    url, name, trusted = options.url, options.workspace, True
    told = url or options.profile or os.environ.get(protocol.ENV_URL) or os.environ.get(config.ENV_VAR)
    if not told:
        file, _ = config.find_workspace_file()
        if file is not None:
            named = config.read_workspace_file(file)
            url, trusted = named.get("url"), False
            name = name or os.environ.get(protocol.ENV_WORKSPACE) or named["workspace_name"]
    return config.find_login(url=url, workspace=name, profile=options.profile, trusted=trusted)


def workspace_of(options: argparse.Namespace) -> "Workspace":
    """The workspace that is meant; the only one when none is named. Raises ConfigError."""
    from zaffre.core.workspace import Workspace
    from zaffre.transport import Client

    login = login_of(options)
    client = Client(login.url, login.token, patience=_PATIENCE)
    name = login.workspace
    if not name:
        found = [one["slug"] for one in client.get("/api/v1/workspaces")["workspaces"]]
        if len(found) != 1:
            listed = ", ".join(found) or "you are a member of none"
            raise ConfigError("No workspace is named.", hint=f"Give --workspace NAME ({listed}).", code="no_workspace")
        name = found[0]
    return Workspace(name, client=client)


def pairs(words: Optional[Sequence[str]], flag: str) -> Dict[str, str]:
    """{key: value} of words such as key=value. Raises UserErrorException."""
    found = {}
    for word in words or ():
        key, mark, value = word.partition("=")
        if not mark or not key:
            raise UserErrorException(f"{flag} {word}: it looks like {flag} name=value.", code="usage")
        found[key] = value
    return found


def named_version(word: str) -> "tuple[str, Optional[int]]":
    """name or name:version. Raises UserErrorException."""
    name, mark, version = word.partition(":")
    if mark and not version.isdigit():
        raise UserErrorException(f"{word}: a version is a number, as in {name}:1.", code="usage")
    return name, int(version) if mark else None


# --- telling ----------------------------------------------------------------------------------------------


def tell(options: argparse.Namespace, value: Any, text: Callable[[], str]) -> None:
    """Print `value` as JSON, or the text for people."""
    told = json.dumps(value, ensure_ascii=False) if options.json else text()
    if told:
        sys.stdout.write(told if told.endswith("\n") else f"{told}\n")
        sys.stdout.flush()


def note(text: str) -> None:
    """A line about what happens, apart from the answer."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def sure(options: argparse.Namespace, what: str) -> None:
    """Ask before something is lost. Raises UserErrorException when nobody can be asked, or says no."""
    if options.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserErrorException(f"{what} needs --yes when nobody can be asked.", code="usage")
    sys.stderr.write(f"{what}. Type yes to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() != "yes":
        raise UserErrorException("Nothing was changed.", code="canceled")


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> str:
    """Aligned columns, or the sentence for none."""
    if not rows:
        return empty
    texts = [
        [str(head).upper() for head in heads],
        *[["" if cell is None else str(cell) for cell in row] for row in rows],
    ]
    widths = [max(_width(line[at]) for line in texts) for at in range(len(heads))]
    lines = []
    for line in texts:
        cells = [cell + " " * (widths[at] - _width(cell)) for at, cell in enumerate(line)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def facts(found: Sequence["tuple[str, Any]"]) -> str:
    """Name and value of each fact that there is, aligned."""
    shown = [(name, value) for name, value in found if value not in (None, "", {}, [])]
    width = max((len(name) for name, _ in shown), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in shown)


def amount(count: float) -> str:
    """Bytes for people: 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def age(moment: Optional[str]) -> str:
    """How long ago a moment of the studio was, as people say it."""
    at = parse_time(moment)
    if at is None:
        return ""
    seconds = (datetime.now(timezone.utc) - at).total_seconds()
    return "just now" if seconds < 10 else f"{duration(seconds)} ago"


def until(moment: str) -> str:
    """How long it is from now to a moment of the studio."""
    at = parse_time(moment)
    return duration(int((at - datetime.now(timezone.utc)).total_seconds())) if at else ""


def duration(seconds: float) -> str:
    """42 s, 3 min 5 s, 2 h 10 min, 3 days."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole < 600 and whole % 60 else "")
    if whole < 48 * 3600:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 >= 60 else "")
    return f"{whole // 86400} days"


def span(begun: Optional[str], ended: Optional[str]) -> str:
    """How long something took, or takes until now."""
    start = parse_time(begun)
    if start is None:
        return ""
    return duration(((parse_time(ended) or datetime.now(timezone.utc)) - start).total_seconds())


def parse_time(moment: Optional[str]) -> Optional[datetime]:
    if not moment:
        return None
    try:
        found = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def lines(found: List[str]) -> str:
    return "\n".join(found)
