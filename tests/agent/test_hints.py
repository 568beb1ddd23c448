"""Hints over the real broker, with a user who may touch the pool's own prefix and nothing else."""

import json
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis
from celery import Celery
from django.conf import settings

from zaffre.agent.hints import Hints, broker_url


@pytest.fixture
def pool() -> Iterator[dict[str, str]]:
    """The broker of one pool as a registration describes it."""
    admin = redis.Redis.from_url(settings.REDIS_URL)
    name, password = f"pool-{secrets.token_hex(4)}", secrets.token_hex(8)
    prefix = f"zaffre:{name}:"
    admin.acl_setuser(
        name,
        enabled=True,
        reset=True,
        passwords=[f"+{password}"],
        keys=[f"{prefix}*"],
        channels=[f"{prefix}*"],
        categories=["+@all", "-@admin", "-@dangerous"],
        commands=["+info"],
    )
    parts = urlsplit(settings.REDIS_URL)
    scheme = "redis+socket" if parts.scheme == "unix" else "redis"
    url = f"{scheme}://{name}:{password}@{parts.netloc}{parts.path}"
    yield {"url": url, "prefix": prefix, "queue": "runs"}
    admin.acl_deluser(name)
    for key in admin.scan_iter(f"{prefix}*"):
        admin.delete(key)
    admin.close()


def send(pool: dict[str, str], name: str, args: list[object]) -> None:
    """What the relay does."""
    app = Celery("relay", set_as_current=False)
    app.conf.update(
        broker_url=pool["url"],
        broker_transport_options={"global_keyprefix": pool["prefix"]},
        task_ignore_result=True,
        task_serializer="json",
    )
    with app.connection_for_write() as connection:
        app.send_task(name, args=args, queue=pool["queue"], connection=connection)
    app.close()


def test_a_hint_brings_a_run_at_once(studio, bring_agent, pool):
    studio.broker = pool
    studio.settings["recheck"] = 600.0
    agent = bring_agent(studio)
    studio.wait(lambda: studio.claims, "the agent asks for work")
    # A run that the long poll does not give out: only the hint names it.
    studio.claim_only_named = True
    run = studio.submit({"train.py": "print('hello')"})
    send(pool, "zaffre.wake", [run.id, 1, "ticket"])
    studio.wait_final(run)
    assert run.status == "completed", agent.said()
    named = [claim for claim in studio.claims if claim.get("run") == run.id]
    assert named[0]["attempt"] == 1 and named[0]["ticket"] == "ticket"


def test_a_hint_that_comes_after_its_run_is_not_followed(studio, bring_agent, pool):
    studio.broker = pool
    bring_agent(studio)
    run = studio.wait_final(studio.submit({"train.py": "print('hello')"}))
    send(pool, "zaffre.wake", [run.id, 1, "ticket"])
    # Its successor in the queue is followed, so that one was looked at.
    studio.claim_only_named = True
    later = studio.submit({"train.py": "print('hello')"})
    send(pool, "zaffre.wake", [later.id, 1, "ticket"])
    studio.wait_final(later)
    assert [claim["run"] for claim in studio.claims if claim.get("run")] == [later.id]


def test_a_broken_connection_to_the_broker_is_made_again(studio, bring_agent, pool):
    studio.broker = pool
    agent = bring_agent(studio)
    first = studio.submit({"train.py": "print('one')"})
    studio.claim_only_named = True
    send(pool, "zaffre.wake", [first.id, 1, "t"])
    studio.wait_final(first)
    admin = redis.Redis.from_url(settings.REDIS_URL)
    mine = [one["id"] for one in admin.client_list() if one["user"] == urlsplit(pool["url"]).username]
    assert mine, "the node listens"
    for one in mine:
        admin.client_kill_filter(_id=one)
    admin.close()
    second = studio.submit({"train.py": "print('two')"})
    send(pool, "zaffre.wake", [second.id, 1, "t"])
    studio.wait_final(second)
    assert second.status == "completed", agent.said()


def test_hostile_and_repeated_hints_start_nothing_twice(studio, bring_agent, pool, tmp_path):
    studio.broker = pool
    agent = bring_agent(studio)
    witness = tmp_path / "witness"
    script = f"open({str(witness)!r}, 'a').write('x')\nimport time; time.sleep(1)"
    run = studio.submit({"train.py": script})
    for args in ([run.id, 1, "t"], [run.id, 7, "t"], [], [{"a": 1}, None, 3], ["../../x", -1, "y"] * 2):
        for _ in range(5):
            send(pool, "zaffre.wake", args)
    send(pool, "os.system", ["true"])
    studio.wait_final(run)
    after = studio.submit({"train.py": "print(1)"})
    send(pool, "zaffre.wake", [after.id, 1, "t"])
    studio.wait_final(after)
    assert witness.read_text() == "x"
    assert agent.process is not None and agent.process.poll() is None


def test_a_broker_that_is_away_costs_only_time(studio, bring_agent):
    studio.broker = {"url": "redis://127.0.0.1:1/0", "prefix": "p:", "queue": "runs"}
    agent = bring_agent(studio)
    run = studio.wait_final(studio.submit({"train.py": "print(1)"}))
    assert run.status == "completed"
    assert agent.stop() == 0


def test_a_message_is_taken_from_the_queue_before_it_is_followed(pool):
    """Not acknowledged late: a hint whose agent dies is not given to it again and again."""
    heard: list[tuple[str, int, str]] = []
    hints = Hints(pool, node="n", wake=lambda *said: heard.append(said), sync=lambda: None)
    app = hints._app()
    assert app.conf.task_acks_late is False and app.conf.accept_content == ["json"]
    assert app.conf.task_create_missing_queues is False and app.conf.worker_enable_remote_control is False
    app.tasks["zaffre.wake"]("R1", 2, "t")
    assert heard == [("R1", 2, "t")]
    assert json.dumps(heard)


def test_a_unix_address_becomes_celerys_spelling():
    assert broker_url("unix:///run/x.sock?db=2") == "redis+socket:///run/x.sock?virtual_host=2"
    assert broker_url("redis://u:p@host:6379/1") == "redis://u:p@host:6379/1"
