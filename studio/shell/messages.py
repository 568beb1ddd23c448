"""The texts of the pages in every language, without GNU gettext.

`python -m studio.shell.messages extract` writes what templates and code say into locale/, keeping
translations; `compile` makes what Django reads; `check` fails when a text is missing or untranslated.
"""

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent.parent
LANGUAGES = ("en", "ja")
CODE = ("studio", "workspace", "runs", "registry")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


def sources() -> Iterator[tuple[str, bytes]]:
    """Every file that may say something, as Python that says it."""
    for path in sorted((ROOT / "templates").rglob("*.html")):
        name = path.relative_to(ROOT).as_posix()
        yield name, templatize(path.read_text(), origin=name).encode()
    for room in CODE:
        for path in sorted((ROOT / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_bytes()


def collect() -> Catalog:
    """All texts, each with the files that say it."""
    found = Catalog(project="Zaffre", charset="utf-8")
    for name, source in sources():
        for _, text, _, context in extract("python", io.BytesIO(source), keywords=KEYWORDS):
            # Files without line numbers: a moved line must not change the catalogues.
            found.add(text, locations=[(name, 0)], context=context)
    return found


def place(language: str) -> Path:
    return ROOT / "locale" / language / "LC_MESSAGES" / "django.po"


def read(language: str) -> Catalog:
    with place(language).open("rb") as file:
        return pofile.read_po(file, locale=language)


def write_catalogues() -> None:
    """Bring the catalogues up to date; what nobody says any more goes."""
    template = collect()
    for language in LANGUAGES:
        path = place(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue = read(language) if path.exists() else Catalog(locale=language)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        catalogue.fuzzy = False
        catalogue.header_comment = "# Texts of the pages. Written by python -m studio.shell.messages extract."
        catalogue.revision_date = catalogue.creation_date = datetime(2026, 1, 1, tzinfo=UTC)
        with path.open("wb") as file:
            pofile.write_po(file, catalogue, width=110, include_lineno=False, sort_output=True)


def compile_catalogues() -> None:
    for language in LANGUAGES:
        with place(language).with_suffix(".mo").open("wb") as file:
            mofile.write_mo(file, read(language))


def problems() -> list[str]:
    """What keeps the catalogues from being complete, one sentence each."""
    said = {(one.id, one.context) for one in collect() if one.id}
    found: list[str] = []
    for language in LANGUAGES:
        catalogue = read(language)
        held = {(one.id, one.context): one for one in catalogue if one.id}
        found += [f"{language}: missing: {text!r}" for text, _ in sorted(said - set(held), key=str)]
        found += [f"{language}: said nowhere: {text!r}" for text, _ in sorted(set(held) - said, key=str)]
        for (text, _), one in held.items():
            if language != "en" and not (all(one.string) if isinstance(one.string, tuple) else one.string):
                found.append(f"{language}: untranslated: {text!r}")
            found += [f"{language}: {text!r}: {error}" for error in one.check(catalogue)]
    return found


def main(task: str) -> int:
    settings.configure(USE_I18N=True)
    if task == "extract":
        write_catalogues()
    elif task == "compile":
        compile_catalogues()
    elif task == "check":
        found = problems()
        sys.stdout.writelines(f"{line}\n" for line in found)
        return bool(found)
    else:
        sys.stderr.write("python -m studio.shell.messages extract | compile | check\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
