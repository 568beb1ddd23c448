"""The two doors for machines, without any log-in."""

from django.db import OperationalError
from django.test import Client

from studio.console import health
from studio.kernel import events


def test_a_living_process_says_so_without_any_engine(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_database_migrations_and_redis_answer(db):
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_what_is_missing_is_named(db, settings):
    settings.REDIS_URL = "unix:///nonexistent/valkey.sock"
    events.client.cache_clear()
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "missing": {"redis": "Redis does not answer (ConnectionError)"}}


def test_an_old_database_names_the_migrations_it_lacks(db, monkeypatch):
    class Ahead(health.MigrationExecutor):
        def migration_plan(self, targets, clean_start=False):
            return [(self.loader.get_migration("workspace", "0001_initial"), False)]

    health._require_current_schema.cache_clear()
    monkeypatch.setattr(health, "MigrationExecutor", Ahead)
    answer = Client().get("/readyz")
    health._require_current_schema.cache_clear()
    assert answer.status_code == 503
    assert "workspace.0001_initial" in answer.json()["missing"]["migrations"]


def test_a_database_that_is_away_is_named(db, monkeypatch):
    def away(*_: object) -> None:
        raise OperationalError("no route")

    with monkeypatch.context() as patch:
        patch.setattr(health.connection, "cursor", away)
        answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"]["database"] == "PostgreSQL does not answer (OperationalError)"
