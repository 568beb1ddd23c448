"""Webhooks: made by owners, told once the change is there, signed, tried again, and kept out of private networks."""

import json
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from django.utils import timezone

from studio.kernel import outgoing
from studio.kernel.actors import SYSTEM
from studio.kernel.models import Outbox
from tests.workspace.conftest import EVERYBODY
from workspace.webhooks import services
from workspace.webhooks.events import PAUSES, sign
from workspace.webhooks.models import Delivery, Webhook

URL = "/api/v1/workspaces/lab/webhooks"
EVENT = "model_version.created"

pytestmark = pytest.mark.usefixtures("lab")


class Receiver:
    """A real server of this machine that answers with `status` and keeps what came."""

    def __init__(self) -> None:
        self.status, self.got = 200, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((dict(self.headers), body.decode()))
                self.send_response(outer.status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *about: Any) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    found = Receiver()
    settings.OUTGOING_ALLOWED = [found.address]
    yield found
    found.close()


def make(api, receiver: Receiver, **more: Any) -> dict[str, Any]:
    body = {"name": "ci", "url": f"http://{receiver.address}/hooks", "events": [EVENT], **more}
    answer = api("olga").post(URL, body, format="json")
    assert answer.status_code == 201, answer.content
    return answer.json()


def register(api, upload, name: str = "digits") -> None:
    body = {"name": name, "files": upload({"model.txt": b"3"}), "tags": {"team": "vision"}}
    assert api("carl").post("/api/v1/workspaces/lab/models", body, format="json").status_code == 201


def deliver_all() -> None:
    """What the worker does with the messages of the outbox."""
    for row in Outbox.objects.filter(task="webhooks.deliver").order_by("pk"):
        services.deliver(row.args[0], actor=SYSTEM)


def test_a_registered_model_is_told_signed(api, upload, receiver):
    made = make(api, receiver, secret="s3cret", events=[EVENT, "registered_model.created"])
    assert made["signed"] is True
    assert "s3cret" not in json.dumps(made)
    register(api, upload)
    deliver_all()
    first, (headers, body) = receiver.got
    assert json.loads(first[1])["entity"] == "registered_model"
    told = json.loads(body)
    assert (told["entity"], told["action"], told["workspace"]) == ("model_version", "created", "lab")
    assert (told["data"]["name"], told["data"]["version"], told["data"]["tags"]) == ("digits", "1", {"team": "vision"})
    delivery, moment = headers["X-MLflow-Delivery-Id"], headers["X-MLflow-Timestamp"]
    assert headers["X-MLflow-Signature"] == sign("s3cret", delivery=delivery, moment=moment, body=body)
    shown = api("olga").get(f"{URL}/{made['id']}/deliveries").json()["deliveries"]
    assert [(one["status"], one["tries"], one["due"]) for one in shown] == [(200, 1, None)] * 2
    deliver_all()
    assert len(receiver.got) == 2


def test_nothing_is_told_of_what_was_not_asked_for(api, upload, receiver):
    make(api, receiver, events=["registered_model.created"])
    made = make(api, receiver, name="off", active=False)
    register(api, upload)
    register(api, upload, "digits")
    deliver_all()
    assert [json.loads(body)["entity"] for _, body in receiver.got] == ["registered_model"]
    assert not Delivery.objects.filter(webhook=made["id"]).exists()


def test_a_receiver_that_is_down_is_tried_again_and_given_up(api, upload, receiver):
    make(api, receiver)
    receiver.status = 503
    register(api, upload)
    for tries in range(1, len(PAUSES) + 2):
        deliver_all()
        [found] = Delivery.objects.all()
        assert (found.tries, found.status, found.due is None) == (tries, 503, tries > len(PAUSES))
        Delivery.objects.filter(due__isnull=False).update(due=timezone.now() - timedelta(seconds=1))
        before = Outbox.objects.count()
        assert services.redeliver(actor=SYSTEM) == (tries <= len(PAUSES))
        assert Outbox.objects.count() == before + (tries <= len(PAUSES))
        Outbox.objects.filter(pk__in=Outbox.objects.order_by("-pk").values("pk")[1:]).delete()
    assert len({headers["X-MLflow-Delivery-Id"] for headers, _ in receiver.got}) == 1


@pytest.mark.parametrize("status", [302, 404])
def test_a_refusal_and_a_redirection_are_not_repeated(api, upload, receiver, status):
    make(api, receiver)
    receiver.status = status
    register(api, upload)
    deliver_all()
    [found] = Delivery.objects.all()
    assert (found.tries, found.status, found.due, found.delivered) == (1, status, None, None)
    assert len(receiver.got) == 1


def test_a_test_says_what_the_receiver_answered(api, receiver):
    made = make(api, receiver)
    told = api("olga").post(f"{URL}/{made['id']}/test", {}, format="json").json()
    assert told == {"succeeded": True, "status": 200, "body": "ok", "error": ""}
    receiver.status = 500
    told = api("olga").post(f"{URL}/{made['id']}/test", {"event": EVENT}, format="json").json()
    assert (told["succeeded"], told["status"]) == (False, 500)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "http://10.0.0.7:8080/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "ftp://example.com/",
        "http://[invalid",
        "http:///nothing",
        "   ",
        "http://user:word@example.com/",
        "https://example.com/\n",
    ],
)
def test_addresses_that_are_not_taken(api, url):
    body = {"name": "ci", "url": url, "events": [EVENT]}
    answer = api("olga").post(URL, body, format="json")
    if url.endswith("\n"):  # the form takes the end of the line away
        assert answer.status_code == 201
    else:
        assert answer.status_code in {400, 422}, answer.content
        assert not Webhook.objects.exists()


def test_a_name_that_leads_into_this_machine_is_not_called(receiver):
    with pytest.raises(outgoing.Undelivered, match="private network"):
        outgoing.post(f"http://localhost:{receiver.server.server_port}/", b"{}", {})
    assert receiver.got == []


@pytest.mark.parametrize("body", [{"name": "a b"}, {"events": []}, {"events": ["model.made"]}, {"secret": "x" * 300}])
def test_what_cannot_be_meant(api, body):
    whole = {"name": "ci", "url": "https://example.com/", "events": [EVENT], **body}
    assert api("olga").post(URL, whole, format="json").status_code in {400, 422}
    assert not Webhook.objects.exists()


def test_only_owners_see_and_change_them(api, receiver):
    made = make(api, receiver)
    seen = {name: api(name).get(f"{URL}/{made['id']}").status_code for name in EVERYBODY}
    assert seen == {"olga": 200, "carl": 403, "rio": 403, "mallory": 404, "ada": 403, None: 401}
    changed = {name: api(name).delete(f"{URL}/{made['id']}").status_code for name in EVERYBODY if name != "olga"}
    assert changed == {"carl": 403, "rio": 403, "mallory": 404, "ada": 403, None: 401}
    patch = {"active": False, "events": ["registered_model.created"]}
    shown = api("olga").patch(f"{URL}/{made['id']}", patch, format="json").json()
    assert (shown["active"], shown["events"], shown["name"]) == (False, ["registered_model.created"], "ci")
    assert api("olga").delete(f"{URL}/{made['id']}").status_code == 204
    assert api("olga").get(f"{URL}/{made['id']}").status_code == 404
