"""Why an installer failed, in one sentence: the few shapes of what uv says, without asking it again."""

from __future__ import annotations

import re
from typing import List, NamedTuple, Sequence

_BAR = re.compile(r"^[\s│├╰─▶×╭╮]+")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_SPLIT = re.compile(r"[-_.]+")
_MOST = 600
#: What builds of old versions miss.
_TOOLS_OF_THEN = ("No module named 'pkg_resources'", "name 'CCompiler' is not defined", "No module named 'distutils")


class Reason(NamedTuple):
    """`package` is whose fault it is, `line` the requirement that asks for it; both may be empty."""

    sentence: str
    package: str = ""
    line: str = ""


def explain(said: str, code: int, asked: Sequence[str] = (), own: Sequence[str] = ()) -> Reason:
    """One sentence out of an installer's words: the package, the reason, and the line that asks for it.

    `own` is what is installed beside what people asked for. Lines have no numbers: a version keeps them sorted.
    """
    words = _words(said)
    shapes = (_missing, _unreadable, _no_file, _no_version, _broken_build, _other_files, _away, _no_python)
    for shape in (*shapes, _contradiction):
        found = shape(said, words)
        if found is not None:
            line = _line_of(found.package, asked)
            more = f" This line of the requirements asks for it: {line}." if line else ""
            for one in (one for one in own if one in found.sentence and one not in asked):
                more += f" {one} is what Zaffre's own SDK needs there."
            return Reason(f"The environment could not be built: {found.sentence}{more}", found.package, line)
    if not words:
        words = f"the installer ended with code {code} and said nothing"
    return Reason(f"The environment could not be built: {words[:_MOST]}")


def _missing(said: str, words: str) -> "Reason | None":
    found = re.search(rf"({_NAME}) was not found in (?:the package registry|the provided package locations)", words)
    if found is None:
        return None
    return Reason(f"there is no package {found[1]!r} in the package index.", found[1])


def _unreadable(said: str, words: str) -> "Reason | None":
    found = re.search(rf"({_NAME})(?:==)?(\S*) has invalid metadata", words)
    if found is None:
        return None
    name = f"{found[1]} {found[2]}".strip()
    return Reason(f"{name} says what it needs in a form that is not read any more. Take a newer version.", found[1])


def _no_version(said: str, words: str) -> "Reason | None":
    found = re.search(rf"there (?:is|are) no versions? of ({_NAME})(\S*)", words)
    if found is not None:
        return Reason(f"there is no version of {found[1]} that is {found[2].rstrip(',') or 'usable'}.", found[1])
    found = re.search(rf"only ({_NAME})(?:\{{[^}}]*\}})?(\S+) (?:is|are) available", words)
    if found is not None:
        return Reason(f"of {found[1]} only {found[2].lstrip('=')} is available.", found[1])
    return None


def _no_file(said: str, words: str) -> "Reason | None":
    found = re.search(rf"({_NAME})(?:==)?(\S*) has no (?:wheels|source distribution|usable wheels)[^,]*", words)
    if found is None:
        return None
    hint = re.search(r"tags?: ([^\n]+)", said)
    tags = f" It has files for {hint[1].strip()[:120]}." if hint else ""
    version = f" {found[2]}" if found[2] else ""
    return Reason(f"{found[1]}{version} has no file for this Python and this machine.{tags}", found[1])


def _broken_build(said: str, words: str) -> "Reason | None":
    found = re.search(rf"Failed to (?:download and )?build `({_NAME})(?:==|-)?([^`]*)`", said)
    if found is None:
        return None
    lines = [one.strip() for one in said[found.end() :].splitlines() if one.strip() and not one.startswith("hint:")]
    last = next((one for one in reversed(lines) if re.match(r"[\w.]*(Error|Exception|error|fatal)\b", one)), "")
    version = found[2].strip(" @")
    name = f"{found[1]} {version}".strip()
    why = f" It said: {last[:200].rstrip('.')}." if last else ""
    if any(one in said for one in _TOOLS_OF_THEN):
        why += " It is made for tools that newer Pythons have no more: take a newer version."
    return Reason(f"{name} comes as source, and building it failed.{why}", found[1])


def _other_files(said: str, words: str) -> "Reason | None":
    found = re.search(rf"Hash mismatch for `({_NAME})==([^`]*)`", said)
    if found is None:
        return None
    return Reason(
        f"the file of {found[1]} {found[2]} at the package index is another one than when this version was resolved.",
        found[1],
    )


def _away(said: str, words: str) -> "Reason | None":
    if not re.search(r"error sending request|Connection refused|dns error|timed out|Network is unreachable", said):
        return None
    found = re.search(r"https?://([^/\s)`]+)", said)
    where = f" ({found[1].rpartition('@')[2]})" if found else ""
    return Reason(f"this node does not reach the package index{where}. Try again when it does.")


def _no_python(said: str, words: str) -> "Reason | None":
    found = re.search(r"No interpreter found for (?:Python )?([\d.]+)|Python ([<>=\d.]+) is not supported", words)
    if found is None:
        return None
    return Reason(f"this node has no Python {found[1] or found[2]}.")


def _contradiction(said: str, words: str) -> "Reason | None":
    if "No solution found" not in words and "unsatisfiable" not in words:
        return None
    # A range has commas of its own: the sentence ends where the next part of it begins.
    asked = re.findall(r"you require ((?:(?!, (?:we|and) |\.\s|\.?$).)+)", words)
    depends = re.findall(rf"({_NAME}(?:\{{[^}}]*\}})?\S*) depends on ([^,]+?)(?: and |,|\.\s|$)", words)
    because = f" {depends[0][0]} needs {depends[0][1]}." if depends else ""
    if asked:
        return Reason(f"the requirements contradict each other: {asked[-1][:200]} cannot be had together.{because}")
    return None


def _words(said: str) -> str:
    lines: List[str] = [_BAR.sub("", line).strip() for line in said.splitlines() if not line.startswith("warning:")]
    words = " ".join(line for line in lines if line)
    return re.sub(r"^error:\s*", "", words)


def _line_of(package: str, asked: Sequence[str]) -> str:
    if not package:
        return ""
    wanted = _SPLIT.sub("-", package).lower()
    for line in asked:
        found = re.match(_NAME, line)
        if found and _SPLIT.sub("-", found[0]).lower() == wanted:
            return line
    return ""
