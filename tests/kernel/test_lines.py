"""Statements that a connection prepares by itself: their values and rows, their errors, and what survives these."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import IntegrityError, NotSupportedError, OperationalError, ProgrammingError, connection, transaction

from studio.kernel import db
from studio.kernel.lines import KEPT
from workspace.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)

MOMENT = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
VALUES = {"a": 7, "b": "é % %(a)s $1", "c": None, "d": MOMENT, "e": ["x", "y"], "f": 1.5, "g": True}
KINDS = """
SELECT %(a)s::int, %(b)s::text, %(c)s::int, %(d)s::timestamptz, %(e)s::varchar[], %(f)s::float8, %(g)s::bool,
       %(b)s::text LIKE 'é %%', %(a)s::int + 1
"""


def prepared() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        return cursor.fetchone()[0]


def test_values_of_all_kinds_come_back_as_they_went():
    assert db.ask(KINDS, VALUES) == [(*VALUES.values(), True, 8)]
    assert db.ask(KINDS, {**VALUES, "a": 2**30, "c": 3})[0][2:3] == (3,)


def test_rows_one_by_one_are_the_same_while_others_are_asked():
    statement = "SELECT n, repeat('x', n)::bytea, %s::timestamptz FROM generate_series(1, %b) AS n"
    found = []
    for row in db.each(statement, [MOMENT, 3]):
        found.append(row)
        assert db.ask("SELECT %s::int", [row[0]]) == [(row[0],)]
    assert found == [(n, b"x" * n, MOMENT) for n in (1, 2, 3)]


def test_a_statement_is_prepared_once_and_without_rows_gives_none():
    statement = "UPDATE accounts_user SET display_name = %s WHERE username = %s"
    db.ask(statement, ["a", "nobody"])
    before = prepared()
    assert db.ask(statement, ["b", "nobody"]) == []
    assert prepared() == before


def test_what_is_asked_in_a_transaction_is_undone_with_it(people):
    statement = "UPDATE accounts_user SET display_name = 'new' WHERE username = %s RETURNING username"
    with pytest.raises(RuntimeError), transaction.atomic():
        assert db.ask(statement, [people.carl.username]) == [(people.carl.username,)]
        raise RuntimeError
    assert not User.objects.filter(display_name="new").exists()


def test_refusals_of_the_database_are_djangos_and_the_connection_goes_on(people):
    taken = people.carl.username
    statement = "UPDATE accounts_user SET username = %s WHERE username <> %s"
    with pytest.raises(IntegrityError, match="username"), transaction.atomic():
        db.ask(statement, [taken, taken])
    with pytest.raises(ProgrammingError, match="nowhere"):
        db.ask("SELECT * FROM nowhere", [])
    assert db.ask("SELECT count(*) FROM accounts_user WHERE username = %s", [taken]) == [(1,)]


def test_a_rollback_leaves_the_statements_prepared():
    db.ask("SELECT 41", [])
    before = prepared()
    with pytest.raises(RuntimeError), transaction.atomic():
        db.ask("SELECT 41", [])
        raise RuntimeError
    assert prepared() == before
    assert db.ask("SELECT 41", []) == [(41,)]


def test_a_table_that_changed_costs_one_question():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE changing (a int)")
        assert db.ask("SELECT * FROM changing", []) == []
        cursor.execute("ALTER TABLE changing ADD b int")
        cursor.execute("INSERT INTO changing VALUES (1, 2)")
        with pytest.raises(NotSupportedError, match="cached plan"):
            db.ask("SELECT * FROM changing", [])
        assert db.ask("SELECT * FROM changing", []) == [(1, 2)]
        cursor.execute("DROP TABLE changing")


def test_a_connection_keeps_so_many_statements_and_no_more():
    for n in range(KEPT + 20):
        db.ask(f"SELECT {n}", [])
    assert prepared() <= KEPT
    assert db.ask("SELECT 0", []) == [(0,)]


def test_a_connection_that_was_cut_says_so_as_django_does():
    db.ask("SELECT 1", [])
    own = connection.connection.info.backend_pid
    connection.connection.pgconn.finish()
    with pytest.raises(OperationalError):
        db.ask("SELECT 1", [])
    connection.close()
    assert db.ask("SELECT 2", []) == [(2,)]
    assert connection.connection.info.backend_pid != own


def test_nothing_else_prepares():
    """A prepared statement of psycopg's own would have it forget ours at each rollback."""
    root = Path(db.__file__).parents[2]
    rooms = ("studio", "workspace", "runs", "registry")
    found = [path for room in rooms for path in (root / room).rglob("*.py") if "prepare=True" in path.read_text()]
    assert found == []
    assert re.search(r'options\["prepare_threshold"\] = 1_000_000_000', (root / "studio/settings.py").read_text())
