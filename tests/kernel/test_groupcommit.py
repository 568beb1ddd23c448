"""Group commit: shared transactions, answers after the commit, and a bad item alone in its misfortune."""

import threading
import time
from itertools import chain

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import DataError, OperationalError, connection

from studio.kernel.errors import Conflict, Unavailable
from studio.kernel.groupcommit import GroupCommit

PATIENCE = 240


def insert(names):
    with connection.cursor() as cursor:
        for name in names:
            # The column holds 100 characters: a longer name breaks the whole transaction.
            cursor.execute("INSERT INTO django_content_type (app_label, model) VALUES (%s, 'x')", [name])
    return [f"{name} is in" for name in names]


def stored() -> set[str]:
    return set(ContentType.objects.filter(model="x").values_list("app_label", flat=True))


@pytest.fixture
def table(transactional_db):
    """The types of content, which stay from one test to the next."""
    yield
    ContentType.objects.filter(model="x").delete()


@pytest.fixture
def gate(table):
    """A commit thread that waits until the test lets it go, so that a group gathers behind it."""
    opened, groups = threading.Event(), []

    def write(names):
        opened.wait(PATIENCE)
        groups.append(list(names))
        return insert(names)

    group: GroupCommit[str, str] = GroupCommit("test", write)
    yield group, opened, groups
    opened.set()
    group.close()


def test_what_waits_shares_a_transaction(gate):
    group, opened, groups = gate
    futures = [group.submit(f"n{at}") for at in range(20)]
    opened.set()
    assert [future.result(PATIENCE) for future in futures] == [f"n{at} is in" for at in range(20)]
    assert stored() == {f"n{at}" for at in range(20)}
    assert len(groups) <= 2  # the first alone, the rest together; or all at once


def test_a_bad_item_harms_nobody_else(gate):
    group, opened, _ = gate
    futures = {name: group.submit(name) for name in ["a", "b", "x" * 101, "c", "d"]}
    opened.set()
    with pytest.raises(DataError):
        futures.pop("x" * 101).result(PATIENCE)
    assert {future.result(PATIENCE) for future in futures.values()} == {f"{name} is in" for name in "abcd"}
    assert stored() == set("abcd")


def test_an_answer_that_is_an_error_goes_to_its_caller_alone(table):
    group = GroupCommit("test", lambda items: [Conflict("no") if item == "b" else item for item in items])
    futures = [group.submit(item) for item in "abc"]
    assert futures[0].result(PATIENCE) == "a" and futures[2].result(PATIENCE) == "c"
    with pytest.raises(Conflict):
        futures[1].result(PATIENCE)
    group.close()


def test_a_close_writes_all_that_waits_and_a_later_item_starts_anew(gate):
    group, opened, _ = gate
    futures = [group.submit(f"n{at}") for at in range(600)]
    opened.set()
    group.close(PATIENCE)
    assert all(future.done() for future in futures)
    assert len(stored()) == 600
    assert group.submit("late").result(PATIENCE) == "late is in"


def test_a_line_that_is_too_long_is_refused(gate, monkeypatch):
    monkeypatch.setattr("studio.kernel.groupcommit.LINE", 3)
    group, opened, _ = gate
    with pytest.raises(Unavailable):
        for at in range(10):
            group.submit(f"n{at}")
    opened.set()


def test_a_database_that_is_away_is_told_to_all_at_once(table):
    calls = []

    def write(items):
        calls.append(len(items))
        raise OperationalError("the connection was refused")

    group: GroupCommit[str, str] = GroupCommit("test", write)
    futures = [group.submit(f"n{at}") for at in range(50)]
    for future in futures:
        with pytest.raises(OperationalError):
            future.result(PATIENCE)
    group.close()
    assert sum(calls) == 50  # nobody was tried twice


def test_who_floods_waits_behind_the_others(table, monkeypatch):
    """Of one owner each transaction takes a part only, in the order of arrival; the others pass by."""
    monkeypatch.setattr("studio.kernel.groupcommit.MOST_OF_ONE", 10)
    opened, groups = threading.Event(), []

    def write(items):
        opened.wait(PATIENCE)
        groups.append(list(items))
        return list(items)

    group: GroupCommit[tuple[str, int], tuple[str, int]] = GroupCommit("test", write, lambda item: (item[0], 4))
    first = group.submit(("first", 0))  # what holds the thread while the others gather
    flood = [group.submit(("flood", at)) for at in range(20)]
    calm = [group.submit(("calm", at)) for at in range(2)]
    opened.set()
    for future in (first, *flood, *calm):
        future.result(PATIENCE)
    group.close()
    of = {name: [[at for owner, at in items if owner == name] for items in groups] for name in ("flood", "calm")}
    assert max(len(items) for items in of["flood"]) == 2
    assert list(chain(*of["flood"])) == list(range(20))
    begun = next(at for at, items in enumerate(groups) if ("flood", 0) in items)
    assert ("calm", 1) in chain(*groups[: begun + 2])  # though eighteen of the flood came before it


def test_one_item_may_be_more_than_an_owners_part(table, monkeypatch):
    monkeypatch.setattr("studio.kernel.groupcommit.MOST_OF_ONE", 10)
    group: GroupCommit[str, str] = GroupCommit("test", list, lambda item: ("one", 1000))
    futures = [group.submit(name) for name in "abc"]
    assert [future.result(PATIENCE) for future in futures] == ["a", "b", "c"]
    group.close()


def test_who_floods_is_refused_while_others_get_in_line(table, monkeypatch):
    monkeypatch.setattr("studio.kernel.groupcommit.LINE_OF_ONE", 3)
    opened = threading.Event()

    def write(items):
        opened.wait(PATIENCE)
        return list(items)

    group: GroupCommit[str, str] = GroupCommit("test", write, lambda item: (item, 1))
    futures = [group.submit("flood") for _ in range(3)]
    with pytest.raises(Unavailable):
        group.submit("flood")
    futures.append(group.submit("calm"))
    opened.set()
    for future in futures:
        future.result(PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while group._owed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert group.submit("flood").result(PATIENCE) == "flood"  # paid what it owed
    group.close()
