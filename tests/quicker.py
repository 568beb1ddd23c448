"""What Django and WhiteNoise do anew for each test, done so that it costs little."""

from typing import Any

from django.db import connection
from django.test import TransactionTestCase
from whitenoise.middleware import WhiteNoiseMiddleware

#: What migrating wrote and no test changes.
_KEPT = ["django_migrations", "django_content_type", "auth_permission"]
#: Bytes in all tables from which on they are truncated, so that what was deleted piles up nowhere.
_MUCH = 8_000_000
#: Django truncates every table, which makes new files for all of them and their indexes, and writes content types and
#: permissions again. A test leaves a few rows in a few tables, and to delete those takes a tenth of the time.
_EMPTY = """
DO $$
DECLARE
    names text;
    bytes bigint;
    name text;
BEGIN
    SELECT string_agg(oid::regclass::text, ', '), sum(pg_relation_size(oid)) INTO names, bytes FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> ALL (%(kept)s);
    IF bytes > %(much)s THEN
        EXECUTE 'TRUNCATE ' || names;
        RETURN;
    END IF;
    -- As TRUNCATE does: whoever still writes is waited for.
    EXECUTE 'LOCK TABLE ' || names;
    -- Neither foreign keys nor the trail that refuses to be changed.
    SET LOCAL session_replication_role = replica;
    FOREACH name IN ARRAY string_to_array(names, ', ') LOOP
        EXECUTE 'DELETE FROM ' || name;
    END LOOP;
END
$$
"""
_by_truncating = TransactionTestCase._fixture_teardown


def _empty(case: TransactionTestCase) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('is_superuser')")
        if cursor.fetchone() == ("on",):
            cursor.execute(_EMPTY, {"kept": _KEPT, "much": _MUCH})
            return
    _by_truncating(case)  # a server that somebody named by DATABASE_URL: not everybody may switch triggers off


_static_files: dict[str, Any] = {}
_by_looking = WhiteNoiseMiddleware.add_files_from_finders


def _as_found_before(middleware: WhiteNoiseMiddleware) -> None:
    """Each test client loads the middleware, and that looks at every file below static/: once will do."""
    if not _static_files:
        _by_looking(middleware)
        _static_files.update(middleware.files)
    middleware.files.update(_static_files)


def install() -> None:
    TransactionTestCase._fixture_teardown = _empty
    WhiteNoiseMiddleware.add_files_from_finders = _as_found_before
