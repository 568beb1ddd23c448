"""Snapshots through their doors: the same tree once, the limits before the upload, and a zip both ways."""

import hashlib
import io
import stat
import zipfile
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from runs.models import Run
from runs.snapshots import queries
from runs.snapshots.models import Snapshot
from studio.kernel import blobs
from studio.kernel.errors import Invalid
from studio.kernel.models import BlobRef
from tests.runs.telemetry import Running, ask
from workspace.audit.models import Entry
from workspace.models import Workspace
from zaffre.protocol import MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_FILES

URL = "/api/v1/workspaces/lab/snapshots"
TREE = {"train.py": b"print('hello')\n", "lib/a.py": b"A = 1\n" * 1000, "data/empty": b""}
WHO = ("olga", "carl", "rio", "mallory", "ada", None)


def manifest(contents: dict[str, bytes]) -> list[dict[str, object]]:
    return [
        {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "mode": 0o644}
        for path, data in contents.items()
    ]


@pytest.fixture
def upload(lab: Workspace) -> Callable[[dict[str, bytes]], list[dict[str, object]]]:
    def store(contents: dict[str, bytes]) -> list[dict[str, object]]:
        for data in contents.values():
            blobs.put([data], workspace_id=lab.pk)
        return manifest(contents)

    return store


def send(client: APIClient, files: object, url: str = URL):
    return client.post(url, {"files": files}, format="json")


def test_the_same_tree_is_the_same_snapshot(api, upload):
    first = send(api("carl"), upload(TREE))
    assert first.status_code == 201
    made = first.json()
    assert (made["file_count"], made["size"]) == (3, sum(map(len, TREE.values())))
    again = send(api("olga"), list(reversed(manifest(TREE))))
    assert (again.status_code, again.json()) == (200, made)
    other = send(api("carl"), upload({**TREE, "train.py": b"print('other')\n"}))
    assert other.status_code == 201 and other.json()["id"] != made["id"]
    executable = [{**entry, "mode": 0o755} for entry in manifest(TREE)]
    assert send(api("carl"), executable).status_code == 201
    assert list(Entry.objects.values_list("action", flat=True)) == ["snapshot.create"] * 3
    shown = api("rio").get(f"{URL}/{made['id']}").json()
    assert [entry["path"] for entry in shown["files"]] == sorted(TREE)
    assert {key: shown[key] for key in made} == made


@pytest.mark.parametrize("name", WHO)
def test_who_sends_code_and_who_reads_it(api, upload, name):
    made = send(api("carl"), upload(TREE)).json()["id"]
    reads = {"mallory": 404, "ada": 403, None: 401}.get(name, 200)
    writes = {"olga": 201, "carl": 201, "rio": 403, "mallory": 404, "ada": 403, None: 401}[name]
    assert send(api(name), upload({"new.py": b"1"})).status_code == writes
    for path in ("", "/zip", "/files/lib/a.py"):
        answer = api(name).get(f"{URL}/{made}{path}")
        assert answer.status_code == reads
        assert not answer.streaming or answer.getvalue()


def test_a_snapshot_of_another_workspace_is_not_there(api, upload, lab):
    made = send(api("carl"), upload(TREE)).json()["id"]
    den = "/api/v1/workspaces/den/snapshots"
    assert api("mallory").get(f"{den}/{made}").status_code == 404
    assert send(api("mallory"), manifest(TREE), den).json()["error"]["code"] == "blobs_missing"
    with pytest.raises(Invalid) as refused:
        queries.resolve(Workspace.objects.get(slug="den"), made)
    assert refused.value.code == "no_such_snapshot"
    assert queries.resolve(lab, made).pk == made
    for wrong in ("nothing", "no%00thing", "x" * 500):
        assert api("carl").get(f"{URL}/{wrong}").status_code == 404


def test_the_limit_is_said_before_anything_is_uploaded(api, lab):
    mb = 1024 * 1024
    files = [
        {"path": path, "sha256": mark * 64, "size": size * mb}
        for path, size, mark in [("small.py", 1, "c"), ("cache.bin", 100, "b"), ("weights.bin", 250, "a")]
    ]
    answer = send(api("carl"), files)
    assert answer.status_code == 413
    details = answer.json()["error"]["details"]
    assert [one["path"] for one in details["biggest"]] == ["weights.bin", "cache.bin", "small.py"]
    assert "weights.bin, cache.bin" in answer.json()["error"]["message"]
    many = [{"path": f"{number}.py", "sha256": "a" * 64} for number in range(MAX_SNAPSHOT_FILES + 1)]
    assert send(api("carl"), many).json()["error"]["code"] == "too_many_files"


def test_a_size_that_was_announced_too_small_does_not_help(api, lab):
    BlobRef.objects.create(workspace_id=lab.pk, sha256="d" * 64, size=MAX_SNAPSHOT_BYTES + 1)
    answer = send(api("carl"), [{"path": "big", "sha256": "d" * 64, "size": 1}])
    assert answer.status_code == 413
    assert answer.json()["error"]["details"]["biggest"][0]["path"] == "big"


@pytest.mark.parametrize(
    "entry",
    [
        {}, {"path": 7, "sha256": "a" * 64}, {"path": "a", "sha256": ["x"]},
        {"path": "../a"}, {"path": "/a"}, {"path": "a\\b"}, {"path": "a\0"},
        {"mode": "x", "path": ""}, {"size": "many", "path": ".."},
    ],
)  # fmt: skip
def test_entries_that_cannot_be_meant(api, upload, entry):
    [good] = upload({"good.py": b"1"})
    base = {"sha256": good["sha256"]} if "path" in entry else {}
    assert send(api("carl"), [{**base, **entry}]).status_code == 422
    assert Snapshot.objects.count() == 0


@pytest.mark.parametrize("files", [[], "all", [5], {"a": 1}, None])
def test_lists_that_are_none(api, lab, files):
    assert send(api("carl"), files).status_code == 422


def test_odd_modes_and_sizes_are_taken_for_what_they_are(api, upload):
    [entry] = upload({"a.py": b"12345"})
    for mode in ("x", None, -5, True, 10**30):
        answer = send(api("carl"), [{**entry, "mode": mode, "size": "many"}])
        assert answer.status_code in {200, 201}
    assert api("carl").get(f"{URL}/{answer.json()['id']}").json()["files"][0]["size"] == 5


@pytest.mark.parametrize("body", [b"{half", b"[]", b"\xff\xfe", b"", b"[" * 100_000])
def test_a_body_that_is_none(api, lab, body):
    assert api("carl").post(URL, body, content_type="application/json").status_code == 422


def test_a_body_over_the_limit_is_refused(api, lab):
    answer = api("carl").post(URL, b" " * (1024 * 1024 + 1), content_type="application/json")
    assert answer.status_code == 413


def test_a_file_is_found_by_its_manifest_only(api, upload):
    made = send(api("carl"), upload(TREE)).json()["id"]
    answer = api("rio").get(f"{URL}/{made}/files/lib/a.py")
    assert answer.getvalue() == TREE["lib/a.py"]
    assert answer["Content-Disposition"].startswith("attachment") and "sandbox" in answer["Content-Security-Policy"]
    for path in ("lib", "nothing", "../train.py", "%2e%2e/secret_key", "lib/../train.py"):
        assert api("rio").get(f"{URL}/{made}/files/{path}").status_code == 404


def test_the_zip_holds_the_tree_and_is_the_same_each_time(api, upload):
    [train, lib, empty] = upload(TREE)
    made = send(api("carl"), [{**train, "mode": 0o755}, lib, empty]).json()
    answer = api("rio").get(f"{URL}/{made['id']}/zip")
    raw = answer.getvalue()
    assert int(answer["Content-Length"]) == len(raw)
    assert f"snapshot-{made['digest'][:12]}.zip" in answer["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(raw)) as zipped:
        assert {name: zipped.read(name) for name in zipped.namelist()} == TREE
        modes = {item.filename: stat.S_IMODE(item.external_attr >> 16) for item in zipped.infolist()}
    assert modes == {"train.py": 0o755, "lib/a.py": 0o644, "data/empty": 0o644}
    assert api("olga").get(f"{URL}/{made['id']}/zip").getvalue() == raw


def test_damaged_bytes_make_no_zip(api, upload, settings):
    files = upload(TREE)
    made = send(api("carl"), files).json()["id"]
    blobs.path_of(str(files[0]["sha256"])).write_bytes(b"print('evil!')\n")
    assert api("rio").get(f"{URL}/{made}/zip").json()["error"]["code"] == "blob_damaged"


def test_a_big_tree_costs_no_more_queries(api, upload):
    counts = []
    for number in (1, 300):
        made = send(api("carl"), upload({f"{at}.py": f"{at}".encode() for at in range(number)})).json()["id"]
        client = api("rio")
        with CaptureQueriesContext(connection) as seen:
            assert client.get(f"{URL}/{made}").status_code == 200
            assert client.get(f"{URL}/{made}/zip").getvalue()
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 10


def test_running_code_reads_its_own_snapshot_and_no_other(api, upload, running: Running):
    mine, other = (send(api("carl"), upload({"a.py": data})).json()["id"] for data in (b"1", b"2"))
    Run.objects.filter(pk=running.id).update(snapshot=mine)
    code = APIClient()
    code.credentials(HTTP_AUTHORIZATION=f"Bearer {running.token}")
    assert code.get(f"{URL}/{mine}").status_code == 200
    assert code.get(f"{URL}/{other}").status_code == code.get(f"{URL}/{other}/zip").status_code == 404
    assert send(code, manifest(TREE)).status_code == 403


# --- as a zip --------------------------------------------------------------------------------------


def zipped(contents: dict[str, bytes], *, link: str = "") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for path, data in contents.items():
            made.writestr(path, data)
        if link:
            item = zipfile.ZipInfo(link)
            item.create_system, item.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
            made.writestr(item, "/etc/passwd")
    return out.getvalue()


async def test_a_zip_becomes_the_same_snapshot_as_its_files(person, api, upload, running):
    carl = person("carl")
    raw = zipped(TREE)
    pieces = [raw[at : at + 100] for at in range(0, len(raw), 100)]
    answer = await carl.call("POST", f"{URL}/zip", pieces, content_type="application/zip", **await csrf(person, "carl"))
    assert answer.status == 201, answer.body
    assert (answer.json()["file_count"], answer.json()["size"]) == (3, sum(map(len, TREE.values())))
    again = await ask(lambda: send(api("carl"), upload(TREE)))
    assert (again.status_code, again.json()["id"]) == (200, answer.json()["id"])


async def csrf(person, name: str | None) -> dict[str, str]:
    """What a page sends besides its cookie."""
    word = "a" * 32
    cookie = person(name).headers.get("cookie", "")
    return {"cookie": f"{cookie}; csrftoken={word}", "x-csrftoken": word, "origin": "http://localhost"}


@pytest.mark.parametrize(
    ("name", "status"), [("olga", 201), ("carl", 201), ("rio", 403), ("mallory", 404), ("ada", 403), (None, 401)]
)
async def test_who_sends_a_zip(person, running, name, status):
    headers = await csrf(person, name) if name else {}
    answer = await person(name).call("POST", f"{URL}/zip", zipped(TREE), **headers)
    assert answer.status == status
    assert await ask(Snapshot.objects.count) == (status == 201)


async def test_a_page_of_somebody_else_cannot_send_a_zip(person, running):
    assert (await person("carl").call("POST", f"{URL}/zip", zipped(TREE))).status == 403


@pytest.mark.parametrize(
    "raw",
    [
        zipped({**TREE, "../evil.py": b"1"}), zipped({**TREE, "/etc/evil.py": b"1"}), zipped(TREE, link="link"),
        b"no zip", b"", zipped(TREE)[:-30], zipped({}), zipped(TREE).replace(b"train.py", b"trbin.py", 1),
    ],
)  # fmt: skip
async def test_a_hostile_zip_leaves_nothing_behind(person, running, settings, raw):
    answer = await person("carl").call("POST", f"{URL}/zip", raw, **await csrf(person, "carl"))
    assert answer.status == 422, answer.body
    assert await ask(lambda: (Snapshot.objects.count(), BlobRef.objects.count())) == (0, 0)
    assert not [one for one in settings.BLOB_DIR.rglob("*") if one.is_file()]


async def test_a_member_whose_checksum_is_wrong_leaves_nothing_behind(person, running):
    raw = bytearray(zipped({"a.py": b"first", "b.py": b"x" * 1000 + b"y" * 1000}))
    at = raw.rindex(b"PK\3\4")
    raw[at + 30 + 4 + 3] ^= 0xFF
    answer = await person("carl").call("POST", f"{URL}/zip", bytes(raw), **await csrf(person, "carl"))
    assert (answer.status, answer.code) == (422, "damaged")
    assert await ask(BlobRef.objects.count) == 0


async def test_a_zip_over_the_limits(person, running, monkeypatch):
    from runs.snapshots import hot, services

    headers = await csrf(person, "carl")
    monkeypatch.setattr(services, "MAX_SNAPSHOT_BYTES", 1000)
    answer = await person("carl").call("POST", f"{URL}/zip", zipped(TREE), **headers)
    assert (answer.status, answer.json()["error"]["details"]["biggest"][0]["path"]) == (413, "lib/a.py")
    monkeypatch.setattr(hot, "MAX_ZIP", 100)
    assert (await person("carl").call("POST", f"{URL}/zip", zipped(TREE), **headers)).status == 413


async def test_a_zip_that_is_cut_on_the_way_is_not_kept(person, running):
    answer = await person("carl").call(
        "POST", f"{URL}/zip", [zipped(TREE)[:50]], cut=True, **await csrf(person, "carl")
    )
    assert answer.status == 0
    assert await ask(Snapshot.objects.count) == 0
