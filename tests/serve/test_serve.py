"""The scoring server as its callers see it."""

import re
import signal
import textwrap
import threading

import pytest

GOOD = """
import json, os

def init():
    global name
    name = os.environ.get("AZUREML_MODEL_DIR", "none")
    print("model loaded")

def run(raw_data):
    print("asked for", raw_data)
    return {"got": json.loads(raw_data), "type": type(raw_data).__name__, "model": name, "cwd": os.getcwd()}
"""


def test_init_once_then_run_with_the_text_of_the_body(start):
    server = start(GOOD, AZUREML_MODEL_DIR="/models/digits/3").ready()
    answer = server.score({"data": [[1, 2]], "ü": "日本"})
    assert answer.status == 200
    assert answer.json["got"] == {"data": [[1, 2]], "ü": "日本"}
    assert (answer.json["type"], answer.json["model"]) == ("str", "/models/digits/3")
    assert answer.json["cwd"].endswith("/code")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-ms-run-function-failed"] == "False"
    assert float(answer.headers["x-ms-run-fn-exec-ms"]) >= 0
    assert "zaffre" in answer.headers["x-ms-server-version"]
    server.score(1)
    assert server.log.count("model loaded") == 1


def test_a_get_gives_its_query_as_json(start):
    server = start(GOOD).ready()
    assert server.ask("GET", "/score?a=1&b=x").json["got"] == {"a": "1", "b": "x"}


def test_ids_are_echoed_and_stand_in_the_log(start):
    server = start(GOOD).ready()
    answer = server.score({"n": 5}, x_ms_request_id="my-request-77", x_ms_client_request_id="client-8")
    assert answer.headers["x-ms-request-id"] == answer.headers["x-request-id"] == "my-request-77"
    assert answer.headers["x-ms-client-request-id"] == "client-8"
    assert re.search(r'^\d{4}-\d\d-\d\dT[\d:.]+Z my-request-77 asked for \{"n": 5\}$', server.log, re.MULTILINE)
    assert re.search(r"Z 00000000-0000-0000-0000-000000000000 model loaded$", server.log, re.MULTILINE)
    made = server.score({}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", made)
    assert server.score({}, x_ms_client_request_id="x" * 101).status == 431


@pytest.mark.parametrize("body", [b"{not json", b"", b"\xff\xfe", b'{"a":'])
def test_bad_json_is_400_and_never_reaches_run(start, body):
    server = start(GOOD).ready()
    answer = server.score(body)
    assert answer.status == 400
    assert "not valid JSON" in answer.json["message"]
    assert "asked for" not in server.log


def test_methods_paths_and_types_that_are_wrong(start):
    server = start(GOOD).ready()
    refused = server.ask("POST", "/score", b"a=1", Content_Type="application/x-www-form-urlencoded")
    assert (refused.status, refused.json["message"]) == (415, "Expects Content-Type to be application/json")
    assert server.ask("PUT", "/score", {}).status == 405
    assert server.ask("DELETE", "/").headers["allow"] == "GET"
    assert server.ask("GET", "/nothing").status == 404
    assert server.ask("GET", "/swagger.json").status == 404
    too_big = server.ask("POST", "/score", b"1", Content_Length=str(200 * 2**20))
    assert too_big.status == 413


def test_run_that_raises_is_500_and_the_next_request_works(start):
    server = start(
        """
def init():
    pass

def run(data):
    if "bad" in data:
        raise ValueError("the labels are secret")
    return "fine"
"""
    ).ready()
    failed = server.score("bad")
    assert failed.status == 500
    assert failed.headers["x-ms-run-function-failed"] == "True"
    assert "secret" not in failed.json["message"]
    assert "ValueError: the labels are secret" in server.log
    assert server.score("good").json == "fine"


def test_sys_exit_in_run_does_not_end_the_server(start):
    server = start("import sys\n\ndef init():\n    pass\n\ndef run(data):\n    sys.exit(3)\n").ready()
    assert server.score(1).status == 500
    assert server.ask("GET", "/").status == 200


def test_numpy_answers_are_json(start):
    server = start(
        """
import numpy as np

def init():
    pass

def run(data):
    more = {"flag": np.bool_(True), "list": [np.int64(7)]}
    return {"array": np.arange(4).reshape(2, 2), "number": np.float32(0.5), **more}
"""
    ).ready()
    assert server.score(1).json == {"array": [[0, 1], [2, 3]], "number": 0.5, "flag": True, "list": [7]}


@pytest.mark.parametrize("value", ["float('nan')", "object()", "{1: {(1, 2): 3}}"])
def test_answers_that_are_no_json_are_explained(start, value):
    server = start(f"def init():\n    pass\n\ndef run(data):\n    return {value}\n").ready()
    answer = server.score(1)
    assert answer.status == 500
    assert "cannot be written as JSON" in answer.json["message"]
    assert answer.headers["x-ms-run-function-failed"] == "True"


@pytest.mark.parametrize(
    ("script", "words", "code"),
    [
        ("def run(data):\n    return 1\n", "has no function init()", 65),
        ("def init():\n    pass\n", "has no function run(data)", 65),
        ("def init():\n    pass\n\ndef run():\n    return 1\n", "takes no argument", 65),
        ("def init():\n    pass\n\ndef run(*args):\n    return 1\n", "*args or **kwargs", 65),
        ("def init():\n    pass\n\ndef run(a, b):\n    return 1\n", "exactly one argument", 65),
        ("def init(path):\n    pass\n\ndef run(a):\n    return 1\n", "takes no arguments", 65),
        ("import nothing_like_this\n", "No module named 'nothing_like_this'", 65),
        ("def broken(:\n", "SyntaxError", 65),
        ("def init():\n    raise RuntimeError('no model')\n\ndef run(a):\n    return 1\n", "no model", 70),
    ],
)
def test_a_script_that_cannot_serve_never_listens_and_says_why(start, script, words, code):
    server = start(script)
    assert server.process.wait(60) == code
    assert words in server.log
    assert not server.socket.exists()


def test_one_request_at_a_time_and_health_beside_it(start):
    server = start(
        """
import threading, time
busy = threading.Lock()

def init():
    pass

def run(data):
    alone = busy.acquire(blocking=False)
    time.sleep(0.3)
    if alone:
        busy.release()
    return alone
"""
    ).ready()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(server.score(1).json)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert server.ask("GET", "/").status == 200
    for thread in threads:
        thread.join(60)
    assert answers == [True, True, True]


def test_sigterm_lets_the_running_request_finish(start):
    server = start(
        """
import time

def init():
    pass

def run(data):
    print("begun")
    time.sleep(1)
    return "done"
"""
    ).ready()
    answers = []
    caller = threading.Thread(target=lambda: answers.append(server.score(1)))
    caller.start()
    while "begun" not in server.log:
        assert caller.is_alive()
        caller.join(0.05)
    server.process.send_signal(signal.SIGTERM)
    caller.join(60)
    assert answers[0].json == "done"
    assert server.process.wait(60) in (0, -signal.SIGTERM)


def test_a_timeout_of_run_is_an_error_for_its_caller_alone(start):
    server = start(
        """
import json, time

def init():
    pass

def run(data):
    time.sleep(json.loads(data))
    return "ok"
""",
        SCORING_TIMEOUT_MS="500",
        WORKER_COUNT="2",
    ).ready()
    assert server.score(3).status == 500
    assert server.score(0).json == "ok"


def test_the_server_ends_when_its_parent_lets_go_of_it(start):
    server = start(GOOD).ready()
    assert server.process.stdin is not None
    server.process.stdin.close()
    assert server.process.wait(60) == -signal.SIGKILL


def test_rawhttp_gets_the_request_and_makes_the_answer(start):
    server = start(
        """
from zaffre.serve import AMLResponse, rawhttp

def init():
    pass

@rawhttp
def run(request):
    if request.method == "GET":
        return AMLResponse("missing " + request.args["name"], 404)
    answer = AMLResponse(request.get_data()[::-1], 201)
    answer.add_header("X-Kind", request.headers["content-type"])
    return answer
"""
    ).ready()
    answer = server.score(b"\x00abc", Content_Type="application/octet-stream")
    assert (answer.status, answer.body) == (201, b"cba\x00")
    assert answer.headers["x-kind"] == "application/octet-stream"
    refused = server.ask("GET", "/score?name=x")
    assert (refused.status, refused.body) == (404, b"missing x")


#: A stand-in with the few names of the package that the server uses; the package itself is the user's to install.
SCHEMA_PACKAGE = {
    "__init__.py": "",
    "schema_util.py": """
def is_schema_decorated(function):
    return hasattr(function, "declared")

def get_supported_versions(function):
    return ["2.0", "3.0"]

def get_input_schema(function, version="2.0"):
    return {"type": "object", "properties": function.declared}

def get_output_schema(function, version="2.0"):
    return {"type": "integer"}
""",
    "schema_decorators.py": """
import functools

def input_schema(name, kind):
    def decorate(function):
        @functools.wraps(function)
        def converting(**values):
            values[name] = kind(values[name])
            return function(**values)
        converting.declared = {**getattr(function, "declared", {}), name: {"type": kind.__name__}}
        return converting
    return decorate
""",
}


def test_a_declared_input_is_converted_checked_and_described(start, tmp_path):
    place = tmp_path / "packages" / "inference_schema"
    place.mkdir(parents=True)
    for name, text in SCHEMA_PACKAGE.items():
        (place / name).write_text(text)
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(place.parent)!r})
        from inference_schema.schema_decorators import input_schema

        def init():
            pass

        @input_schema("first", int)
        @input_schema("second", int)
        def run(first, second=1):
            if second == 0:
                raise ValueError("inside")
            return first // second
        """
    )
    server = start(script, SERVICE_NAME="digits").ready()
    assert server.score({"first": "9", "second": "2"}).json == 4
    assert server.score({"second": 1}).json["message"] == "The input lacks first."
    assert server.score({"first": 1, "third": 3}).status == 400
    wrong = server.score({"first": "many", "second": 1})
    assert wrong.status == 400 and "many" in wrong.json["message"]
    assert server.score({"first": 1, "second": 0}).status == 500
    assert server.score([1]).status == 400
    two, three = server.ask("GET", "/swagger.json"), server.ask("GET", "/swagger.json?version=3")
    assert two.json["swagger"] == "2.0" and two.json["info"]["title"] == "digits"
    assert "first" in two.json["definitions"]["ServiceInput"]["properties"]
    assert three.json["openapi"].startswith("3.0")
    assert server.ask("GET", "/swagger.json?version=9").status == 404
