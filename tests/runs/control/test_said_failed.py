"""A submitted run of which somebody says that it has failed, and what its code may read meanwhile."""

import pytest

from runs.services import reap
from studio.kernel.actors import SYSTEM
from tests.runs.control.conftest import WS, FakeCode, bearer
from tests.runs.control.test_attempts import outlive
from workspace.audit.models import Entry


def say(carl, run, status="failed", message="the wrong script"):
    body = {"status": status, "message": message}
    return carl.client.post(f"{WS}/runs/{run.pk}/end", body, format="json")


def test_a_run_that_waits_has_failed_at_once(carl, node):
    run = carl.submit()
    assert (say(carl, run).status_code, carl.look(run)["status"]) == (200, "failed")
    assert carl.look(run)["reason"] == {"code": "said_failed", "message": "the wrong script"}
    assert node.ask().status == 204
    assert Entry.objects.filter(action="run.end", target=run.pk).exists()
    assert say(carl, run).json()["status"] == "failed", "the same end twice is harmless"


def test_a_run_that_goes_on_is_ended_and_has_failed_however_it_ends(carl, node):
    run = carl.submit(max_user_retries=3, max_retries=3)
    spec = node.claim()
    code = FakeCode(spec)
    code.start()
    assert say(carl, run).json()["status"] == "cancel_requested"
    assert node.renew(spec).json()["runs"][0]["desired"] == "cancel"
    assert carl.client.post(f"{WS}/runs/{run.pk}/cancel").status_code == 202
    assert code.end(0).json() == {"status": "failed"}
    assert carl.look(run)["reason"]["message"] == "the wrong script"


def test_a_run_that_is_canceled_may_be_said_to_have_failed_and_its_node_be_lost(carl, node):
    run = carl.submit(max_retries=3)
    FakeCode(node.claim()).start()
    carl.client.post(f"{WS}/runs/{run.pk}/cancel")
    assert say(carl, run, message="").json()["status"] == "cancel_requested"
    outlive(run)
    reap(actor=SYSTEM)
    assert carl.look(run)["status"] == "failed"
    assert "said that it failed" in carl.look(run)["reason"]["message"]


def test_a_run_on_two_nodes_has_failed_with_the_last_of_them(carl, join):
    nodes = [join("a"), join("b")]
    run = carl.submit(node_count=2, distribution={"kind": "pytorch", "processes_per_node": 1})
    codes = [FakeCode(one.claim()) for one in nodes]
    say(carl, run)
    assert codes[0].end(None, reason="canceled").json() == {"status": "cancel_requested"}
    assert codes[1].end(None, reason="canceled").json() == {"status": "failed"}
    assert carl.look(run)["reason"]["code"] == "said_failed"


def test_an_end_that_was_reached_stays(carl, node, api):
    run = carl.submit()
    code = FakeCode(node.claim())
    code.start()
    refused = api("rio").post(f"{WS}/runs/{run.pk}/end", {"status": "failed"}, format="json")
    assert (refused.status_code, say(carl, run, "completed").status_code) == (403, 403)
    client = bearer(code.spec["token"])
    assert client.post(f"{WS}/runs/{run.pk}/end", {"status": "failed"}, format="json").status_code == 403
    code.end()
    assert say(carl, run).json()["error"]["code"] == "final"
    assert say(carl, run, "completed").json()["status"] == "completed"


@pytest.mark.parametrize("place", ["datasets", "environments", "environments/system", "models"])
def test_the_code_of_a_run_reads_its_workspace_and_changes_none_of_it(carl, node, place):
    carl.submit()
    client = bearer(node.claim()["token"])
    assert client.get(f"{WS}/{place}").status_code == 200
    assert client.get(f"{WS}/compute").status_code == 403, "it names the runs of others"
    for kind in ("datasets", "environments", "compute"):
        body = {"name": "mine", "spec": {"kind": "system"}, "files": [], "kind": "cluster", "settings": {}}
        assert client.post(f"{WS}/{kind}", body, format="json").status_code == 403
