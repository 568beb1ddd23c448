"""Two questions of machines: does the process live (`/healthz`), and can it work (`/readyz`)?"""

from collections.abc import Callable
from functools import cache
from tempfile import TemporaryFile

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from studio.kernel import events
from studio.kernel.actors import SYSTEM
from studio.kernel.keyring import BadRing
from workspace.secrets.queries import missing_keys


def healthz(request: HttpRequest) -> JsonResponse:
    """Always 200: it needs neither database nor Redis."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when everything this process needs answers, else 503 with the name of each thing that does not."""
    missing = {name: problem for name, ask in CHECKS.items() if (problem := ask())}
    body = {"status": "not ready", "missing": missing} if missing else {"status": "ok"}
    return JsonResponse(body, status=503 if missing else 200)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return f"PostgreSQL does not answer ({type(error).__name__})"
    return ""


def _migrations() -> str:
    try:
        _require_current_schema()
    except DatabaseError as error:
        return f"cannot be read ({type(error).__name__})"
    except _Behind as behind:
        return f"not applied: {behind}. Run `manage.py migrate`."
    return ""


class _Behind(Exception):
    """The names of the migrations that the database lacks."""


@cache  # an exception is not cached: only "it is current" stays true for the life of the process
def _require_current_schema() -> None:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        raise _Behind(", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan))


def _redis() -> str:
    try:
        events.client().ping()
    except redis.RedisError as error:
        return f"Redis does not answer ({type(error).__name__})"
    return ""


def _blobs() -> str:
    try:
        settings.BLOB_DIR.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=settings.BLOB_DIR):
            return ""
    except OSError as error:
        return f"the store of files cannot be written ({error.strerror})"


def _keys() -> str:
    try:
        missing = missing_keys(actor=SYSTEM)
    except BadRing as problem:
        return f"cannot be used: {problem}"
    except DatabaseError as error:
        return f"cannot be compared with the database ({type(error).__name__})"
    if missing:
        told = ", ".join(missing)
        return f"lacks {told}, which secrets were encrypted with: give it back (ZAFFRE_KEK_<id> or ZAFFRE_KEY_RING)"
    return ""


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "migrations": _migrations,
    "redis": _redis,
    "blobs": _blobs,
    "key ring": _keys,
}
