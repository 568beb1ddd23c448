"""Endpoints on the real stack: web, relay, worker, gateway and a node, with users' code in its processes."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from tests.stack.running import Studio, running_studio, until

pytestmark = pytest.mark.stack

SCORE = """
import json, os, time
from pathlib import Path

def init():
    global factor
    factor = int((Path(os.environ["AZUREML_MODEL_DIR"]) / "factor.txt").read_text())

def run(data):
    asked = json.loads(data)
    time.sleep(asked.get("seconds", 0))
    return {"answer": asked["n"] * factor, "version": VERSION, "pid": os.getpid()}
"""
BAD = "def init():\n    raise ValueError('no such weights')\n\ndef run(data):\n    return 1\n"


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Iterator[Studio]:
    with running_studio(tmp_path_factory.mktemp("studio")) as found:
        yield found


class Service:
    """An endpoint as its owner and its callers see it."""

    def __init__(self, studio: Studio, name: str) -> None:
        self.studio, self.name = studio, name
        made = studio.ask("POST", f"{studio.ws}/endpoints", {"name": name})
        assert made.status == 201, made.body
        self.key = self.keys()["primary"]

    def keys(self, method: str = "GET", body: Any = None) -> dict[str, str]:
        answer = self.studio.ask(method, f"{self.studio.ws}/endpoints/{self.name}/keys", body)
        assert answer.status == 200, answer.body
        return answer.json

    def deploy(self, code: str, **more: Any) -> int:
        body = {"model": "factor", "snapshot": self.studio.upload({"score.py": code}), "entry_script": "score.py"}
        path = f"{self.studio.ws}/endpoints/{self.name}/deployments"
        made = self.studio.ask("POST", path, {**body, "environment": "system", **more})
        assert made.status == 201, made.body
        return int(made.json["number"])

    def deployment(self, number: int) -> dict[str, Any]:
        shown = self.studio.ask("GET", f"{self.studio.ws}/endpoints/{self.name}").json
        return next(one for one in shown["deployments"] if one["number"] == number)

    def wait(self, number: int, state: str, seconds: float = 240) -> None:
        until(lambda: self.deployment(number)["state"] == state, f"deployment {number} is {state}", seconds=seconds)

    def score(self, *, key: str = "", port: int = 0, **body: Any) -> Any:
        path = f"/score/{self.studio.known['workspace']}/{self.name}"
        return self.studio.ask("POST", path, {"n": 2, **body}, token=key or self.key, port=port)

    @contextmanager
    def load(self, clients: int = 4) -> Iterator[list[tuple[int, Any]]]:
        """Score all the time meanwhile; every answer's status and body."""
        answers: list[tuple[int, Any]] = []
        over = threading.Event()

        def client() -> None:
            while not over.is_set():
                answer = self.score(port=self.studio.port + 1)
                answers.append((answer.status, json.loads(answer.body)))

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield answers
        finally:
            over.set()
            for thread in threads:
                thread.join(60)


@pytest.fixture(scope="module")
def service(studio: Studio) -> Service:
    files = {"train.py": 'import os\nos.makedirs("outputs")\nopen("outputs/factor.txt", "w").write("21")\n'}
    run = studio.submit(files)
    studio.wait_for(run, "completed")
    body = {"name": "factor", "run": run, "path": "./outputs/factor.txt"}
    made = studio.ask("POST", f"{studio.ws}/models", body)
    assert made.status == 201, made.body
    found = Service(studio, "numbers")
    found.wait(found.deploy(SCORE.replace("VERSION", "1"), replicas=2), "healthy")
    return found


def test_it_answers_through_both_doors(studio, service):
    for port in (studio.port, studio.port + 1):
        answer = service.score(port=port)
        assert (answer.status, answer.json["answer"]) == (200, 42), answer.body
    assert service.score(key="wrong").status == 401


def test_a_replica_that_is_killed_under_load_is_brought_back(studio, service):
    with service.load() as answers:
        until(lambda: len(answers) > 50, "load")
        pids = {body["pid"] for status, body in answers if status == 200}
        assert len(pids) == 2
        os.kill(min(pids), signal.SIGKILL)
        until(
            lambda: len({body["pid"] for status, body in answers[-100:] if status == 200} - {min(pids)}) == 2,
            "full strength",
        )
    bad = [status for status, _ in answers if status != 200]
    assert set(bad) <= {502, 503}
    assert len(bad) <= 0.01 * len(answers) + 4  # at most what the killed one had


def test_an_update_and_a_bad_one_fail_no_request(service):
    with service.load() as answers:
        until(lambda: len(answers) > 10, "load")
        bad = service.deploy(BAD)
        service.wait(bad, "failed")
        shown = service.deployment(bad)
        assert "no such weights" in shown["replicas"][0]["log_tail"], shown
        long = threading.Thread(target=lambda: answers.append((service.score(seconds=8).status, {"version": 1})))
        long.start()
        good = service.deploy(SCORE.replace("VERSION", "2"))
        service.wait(good, "healthy")
        until(lambda: all(body.get("version") == 2 for _, body in answers[-20:]), "the new one answers")
        long.join(30)
    assert [one for one in answers if one[0] != 200] == []
    assert service.deployment(1)["state"] == "retired"


def test_a_key_made_anew_and_the_old_one(service):
    old, service.key = service.key, service.keys("POST", {"which": "primary"})["primary"]
    until(lambda: service.score(key=old).status == 401, "the old key is dead", every=0.05)
    until(lambda: service.score().status == 200, "the new one works", every=0.05)
    assert service.score(port=service.studio.port + 1).status == 200


def test_scoring_goes_on_without_the_web_and_a_killed_gateway_comes_back(studio, service):
    web = psutil.Process(studio.pid("web"))
    web.suspend()
    try:
        assert service.score(port=studio.port + 1).status == 200
    finally:
        web.resume()
    studio.restart("gateway")

    def answers() -> bool:
        try:
            return bool(service.score(port=studio.port + 1).status == 200)
        except OSError:
            return False

    until(answers, "the gateway is back")


def test_a_deleted_endpoint_answers_no_more_and_its_processes_end(studio, service):
    pid = service.score().json["pid"]
    assert studio.ask("DELETE", f"{studio.ws}/models/factor").status == 409
    assert studio.ask("DELETE", f"{studio.ws}/endpoints/{service.name}").status == 204
    until(lambda: service.score().status == 401, "nothing is there")
    until(lambda: not psutil.pid_exists(pid), "the replica ends")
    assert studio.ask("DELETE", f"{studio.ws}/models/factor").status == 204
