"""What a configuration says beyond script and target: checked at submit, carried out at the end."""

import pytest
from django.utils import timezone

from runs.models import Run
from tests.runs.control.conftest import FakeCode


@pytest.mark.parametrize(
    "config",
    [
        {"max_user_retries": 21},
        {"max_user_retries": "2"},
        {"history": {"directories_to_watch": "logs"}},
        {"history": {"directories_to_watch": ["../up"]}},
        {"history": {"directories_to_watch": ["/etc"]}},
        {"history": 3},
        {"arguments": ["DatasetConsumptionConfig:gone"]},
        {"environment_variables": {"A": "DatasetConsumptionConfig:gone"}},
    ],
)
def test_what_cannot_be_meant_is_refused(carl, config):
    answer = carl.try_submit(**config)
    assert answer.status_code == 422, answer.content
    assert answer.json()["error"]["details"]["field"].startswith("config.")


def test_a_field_has_one_spelling_and_is_absent_when_it_says_nothing(carl):
    run = carl.submit(max_user_retries=0, history={"directories_to_watch": ["./logs/", "boards", "boards"]})
    assert "max_user_retries" not in run.config
    assert run.config["history"] == {"output_collection": True, "directories_to_watch": ["logs", "boards"]}


def test_a_script_that_fails_is_tried_again_as_often_as_was_asked_for(carl, node):
    run = carl.submit(max_user_retries=1)
    code = FakeCode(node.claim())
    code.start()
    told = {"reason": "script_failed", "message": "The script ended with exit code 3."}
    assert code.end(3, **told).json() == {"status": "queued"}
    shown = carl.look(run)
    assert "Attempt 1 failed. The script ended with exit code 3." in shown["reason"]["message"]
    assert shown["queue"]["code"] == "retry_pause"
    Run.objects.filter(pk=run.pk).update(not_before=timezone.now())
    again = FakeCode(node.claim())
    assert again.spec["attempt"] == 2
    again.start()
    assert again.end(3, **told).json() == {"status": "failed"}
    run.refresh_from_db()
    assert (run.retries_used, run.reason_code) == (0, "script_failed")


def test_a_script_that_was_canceled_is_not_tried_again(carl, node):
    run = carl.submit(max_user_retries=3)
    code = FakeCode(node.claim())
    code.start()
    assert carl.client.post(f"/api/v1/workspaces/lab/runs/{run.pk}/cancel").status_code == 202
    assert code.end(1, reason="canceled").json() == {"status": "canceled"}


def test_a_lost_node_is_not_the_scripts_failure(carl, node):
    run = carl.submit(max_user_retries=3)
    code = FakeCode(node.claim())
    code.start()
    assert code.end(None, reason="lease_lost").json() == {"status": "failed"}
    run.refresh_from_db()
    assert run.reason_code == "lease_lost"
