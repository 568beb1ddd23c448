"""Keeping the store of blobs clean: what no row names goes after a while, and what the disk damaged is found.

Which rows name blobs is told from outside (`Names`): this package knows no room.
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import F, Func, QuerySet
from django.utils import timezone
from django.utils.module_loading import import_string

from studio.kernel import blobs
from studio.kernel.models import BlobRef

log = logging.getLogger(__name__)

#: Any number, the same everywhere: one collection at a time.
ONE_AT_A_TIME = 7_305_162
#: Files that are looked at, and removed, in one transaction: uploads wait that long.
BATCH = 500
#: Seconds after which a file on its way in that nobody writes to is given up.
STAGED = 3600.0


@dataclass(frozen=True)
class Names:
    """Rows that name blobs: a list of {path, sha256, …} in a JSON field, or one hash in a text field."""

    model: str  # <app label>.<Model>
    field: str
    #: The way from a row to the id of its workspace.
    workspace: str

    def rows(self) -> QuerySet[Any]:
        return apps.get_model(self.model)._default_manager.order_by()

    def pairs(self) -> QuerySet[Any]:
        """(workspace, hash) of everything that is named."""
        kind = apps.get_model(self.model)._meta.get_field(self.field)
        one = _Hashes(F(self.field)) if isinstance(kind, models.JSONField) else F(self.field)
        return self.rows().annotate(named=one).values_list(self.workspace, "named")

    def among(self, sha256s: Sequence[str], *, workspace_id: int) -> set[str]:
        """Those of the hashes that rows of this workspace name."""
        sql, params = self.pairs().filter(**{self.workspace: workspace_id}).query.sql_with_params()
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT DISTINCT sha256 FROM ({sql}) AS named (workspace_id, sha256) WHERE sha256 = ANY(%s)",  # noqa: S608
                [*params, list(sha256s)],
            )
            return {sha256 for (sha256,) in cursor.fetchall()}

    def naming(self, sha256: str) -> list[str]:
        """The rows that name a hash, for people."""
        kind = apps.get_model(self.model)._meta.get_field(self.field)
        listed = isinstance(kind, models.JSONField)
        wanted: dict[str, Any] = {f"{self.field}__contains": [{"sha256": sha256}]} if listed else {self.field: sha256}
        found = self.rows().filter(**wanted).values_list("pk", self.workspace)
        return [f"{self.model} {pk} (workspace {workspace})" for pk, workspace in found[:20]]


class _Hashes(Func):
    template = "(jsonb_path_query(%(expressions)s, '$[*].sha256') #>> '{}')"
    output_field = models.CharField()


def all_names() -> Sequence[Names]:
    """Who names blobs, in every room: for those below them, who need to know what else would lose a file."""
    found: Sequence[Names] = import_string(settings.BLOB_NAMES)
    return found


@dataclass
class Collected:
    """What a collection did."""

    #: (workspace, hash) pairs that nothing names since this collection, and those that were forgotten.
    unnamed: int = 0
    forgotten: int = 0
    files: int = 0
    size: int = 0
    staged: int = 0


def collect(names: Sequence[Names], *, grace: float) -> Collected | None:
    """Remove blobs that no row has named for `grace` seconds, and uploads that were given up.

    None when another collection is at work. Safe beside uploads: a hash that somebody asks for, sends or names
    counts as named again (`blobs`), and what was just written has its own grace by its time on the disk.
    """
    done = Collected()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        if not cursor.fetchone()[0]:
            return None
        _mark(names, grace, done)
    _remove_files(grace, done)
    done.staged = _remove_staged()
    return done


def _mark(names: Sequence[Names], grace: float, done: Collected) -> None:
    parts, values = [], []
    for one in names:
        sql, params = one.pairs().query.sql_with_params()
        parts.append(f"({sql})")
        values += list(params)
    with connection.cursor() as cursor:
        # One statement, so that it sees one moment of all tables.
        cursor.execute(
            f"CREATE TEMP TABLE named_blobs (workspace_id, sha256) ON COMMIT DROP AS {' UNION '.join(parts)}", values
        )
        cursor.execute("CREATE INDEX ON named_blobs (sha256)")
        cursor.execute("ANALYZE named_blobs")
        table = BlobRef._meta.db_table
        named = "EXISTS (SELECT 1 FROM named_blobs n WHERE n.sha256 = r.sha256 AND n.workspace_id = r.workspace_id)"
        cursor.execute(f"UPDATE {table} r SET unnamed = NULL WHERE unnamed IS NOT NULL AND {named}")  # noqa: S608
        moment = timezone.now()
        cursor.execute(
            f"UPDATE {table} r SET unnamed = %s WHERE unnamed IS NULL AND NOT {named}",  # noqa: S608
            [moment],
        )
        done.unnamed = cursor.rowcount
        cursor.execute(
            f"DELETE FROM {table} r WHERE unnamed <= %s AND NOT {named}",  # noqa: S608
            [moment - timedelta(seconds=grace)],
        )
        done.forgotten = cursor.rowcount
        cursor.execute("DROP TABLE named_blobs")


def _remove_files(grace: float, done: Collected) -> None:
    """Remove the files of hashes that no workspace holds."""
    before = time.time() - grace
    batch: list[Path] = []
    for path in _stored():
        with suppress(FileNotFoundError):
            if path.stat().st_mtime <= before:
                batch.append(path)
        if len(batch) >= BATCH:
            _remove(batch, done)
            batch = []
    _remove(batch, done)


def _stored() -> Iterator[Path]:
    for first in sorted(settings.BLOB_DIR.glob("[0-9a-f][0-9a-f]")):
        for second in sorted(first.glob("[0-9a-f][0-9a-f]")):
            yield from sorted(second.iterdir())


def _remove(paths: list[Path], done: Collected) -> None:
    def orphans() -> list[Path]:
        asked = [path.name for path in paths]
        held = set(BlobRef.objects.filter(sha256__in=asked).values_list("sha256", flat=True))
        return [path for path in paths if path.name not in held]

    paths = orphans()
    if not paths:
        return
    with transaction.atomic():
        # Nobody keeps a blob in this moment, so that none is removed that somebody found in place just now.
        blobs.lock_store(alone=True)
        for path in orphans():
            with suppress(FileNotFoundError):
                size = path.stat().st_size
                path.unlink()
                done.files, done.size = done.files + 1, done.size + size


def _remove_staged() -> int:
    """Remove what was on its way in and is not written to any more.

    Files whose names are the same up to a dot are parts of one upload: they stay while one of them is written to.
    """
    touched: dict[Path, float] = {}
    written: dict[str, float] = {}
    for path in (settings.BLOB_DIR / "staging").glob("*"):
        with suppress(FileNotFoundError):
            touched[path] = path.stat().st_mtime
            group = path.name.partition(".")[0]
            written[group] = max(written.get(group, 0), touched[path])
    given_up = [path for path in touched if written[path.name.partition(".")[0]] < time.time() - STAGED]
    for path in given_up:
        path.unlink(missing_ok=True)
    return len(given_up)


@dataclass
class Damage:
    """A blob whose bytes are not those of its name, or are gone."""

    sha256: str
    what: str
    named_by: list[str] = field(default_factory=list)


def check(names: Sequence[Names], *, set_aside: bool = False) -> Iterator[Damage]:
    """Yield every damaged blob with the rows that name it. Reads all bytes of the store.

    With `set_aside` a damaged file is moved to `damaged/` beside the others: then its hash counts as missing, and
    whoever sends the same bytes again repairs it.
    """
    held = BlobRef.objects.order_by("sha256").values_list("sha256", flat=True).distinct()
    for sha256 in held.iterator(chunk_size=2000):
        problem = _problem(sha256)
        if problem is None:
            continue
        owners = [owner for one in names for owner in one.naming(sha256)]
        yield Damage(sha256, problem, owners or ["named by no row"])
        if set_aside:
            _set_aside(sha256)


def _problem(sha256: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with blobs.path_of(sha256).open("rb") as source:
            while piece := source.read(blobs.PIECE):
                digest.update(piece)
    except FileNotFoundError:
        # It may have been collected since it was listed.
        return "missing" if BlobRef.objects.filter(sha256=sha256).exists() else None
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return None if digest.hexdigest() == sha256 else "damaged"


def _set_aside(sha256: str) -> None:
    folder = settings.BLOB_DIR / "damaged"
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        os.replace(blobs.path_of(sha256), folder / sha256)
