"""Datasets through the JSON door."""

import gzip
import hashlib
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studio.kernel import blobs
from workspace.datasets.queries import resolve_version

URL = "/api/v1/workspaces/lab/datasets"
ROWS = b"sepal,petal\n5.1,1.4\n4.9,1.3\n"


def register(client, files, name="iris", **more):
    return client.post(URL, {"name": name, "files": files, **more}, format="json")


def test_versions_count_up_and_equal_files_are_one_version(api, upload):
    carl = api("carl")
    first = register(carl, upload({"iris.csv": ROWS}), description="Flowers")
    assert (first.status_code, first.json()["version"], first.json()["unchanged"]) == (201, 1, False)
    again = register(carl, upload({"iris.csv": ROWS}))
    assert (again.status_code, again.json()["version"], again.json()["unchanged"]) == (200, 1, True)
    second = register(carl, upload({"iris.csv": ROWS + b"5.0,1.2\n", "about/readme.md": b"# Iris"}))
    assert (second.status_code, second.json()["version"]) == (201, 2)
    shown = carl.get(f"{URL}/iris").json()
    assert (shown["version"], shown["file_count"], shown["description"]) == (2, 2, "Flowers")
    assert [version["version"] for version in shown["versions"]] == [2, 1]
    old = carl.get(f"{URL}/iris/versions/1").json()
    assert old["files"] == [{"path": "iris.csv", "sha256": hashlib.sha256(ROWS).hexdigest(), "size": len(ROWS)}]


def test_a_dataset_made_of_one_file_says_so(api, upload):
    """And a folder that holds one file does not: another thing for the scripts that read it."""
    carl = api("carl")
    files = upload({"iris.csv": ROWS})
    assert register(carl, files).json()["single_file"] is False
    single = register(carl, files, single_file=True).json()
    assert (single["version"], single["single_file"], single["unchanged"]) == (2, True, False)
    assert register(carl, files, single_file=True).json()["unchanged"] is True
    assert carl.get(f"{URL}/iris/versions/2").json()["single_file"] is True
    for wrong in ({"iris.csv": ROWS, "b.csv": b"1"}, {"sub/iris.csv": ROWS}):
        answer = register(carl, upload(wrong), single_file=True)
        assert (answer.status_code, answer.json()["error"]["details"]["field"]) == (422, "files")


def test_a_file_comes_back_as_it_was_and_cannot_run_in_a_browser(api, upload):
    page = b"<script>alert(1)</script>"
    register(api("carl"), upload({"sub/p\u00e4ge.html": page}))
    answer = api("rio").get(f"{URL}/iris/versions/1/files/sub/p\u00e4ge.html")
    assert answer.getvalue() == page
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment; filename")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "a\\b", "c:evil", "", ".", "a//b", "nul\u0000", "x" * 300, None, 7, ["a"]],
)
def test_a_hostile_path_is_refused(api, upload, path):
    [entry] = upload({"good.csv": ROWS})
    answer = register(api("carl"), [{**entry, "path": path}])
    assert answer.status_code == 422, answer.json()
    assert api("carl").get(URL).json() == {"datasets": []}


@pytest.mark.parametrize("paths", [["a.csv", "a.csv"], ["data", "data/a.csv"], ["a/b/c", "a"]])
def test_a_path_means_one_thing(api, upload, paths):
    [entry] = upload({"good.csv": ROWS})
    answer = register(api("carl"), [{**entry, "path": path} for path in paths])
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]["path"] in paths


@pytest.mark.parametrize("files", [[], "all", [5], [{}], {"a": 1}, None])
def test_a_list_of_files_that_is_none_is_refused(api, lab, files):
    assert register(api("carl"), files).status_code == 422


def test_bytes_of_another_workspace_are_unknown_here(api, lab, people):
    """Knowing a hash must not be enough to read a file: mallory's bytes are not olga's."""
    den = people.mallory.memberships.get().workspace
    sha256, _ = blobs.put([b"secret"], workspace_id=den.pk)
    answer = register(api("olga"), [{"path": "stolen", "sha256": sha256}])
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "blobs_missing")


@pytest.mark.parametrize("path", ["../iris.csv", "other.csv", "%2e%2e/%2e%2e/secret_key"])
def test_only_paths_of_the_manifest_are_served(api, upload, path):
    register(api("carl"), upload({"iris.csv": ROWS}))
    assert api("rio").get(f"{URL}/iris/versions/1/files/{path}").status_code == 404


def test_limits_are_told_with_the_biggest_files(api, upload, settings):
    settings.DATASET_MAX_BYTES = 20
    answer = register(api("carl"), upload({"big.csv": ROWS, "small.csv": b"1"}))
    assert answer.status_code == 413
    assert answer.json()["error"]["details"]["biggest"][0]["path"] == "big.csv"
    settings.DATASET_MAX_FILES = 1
    assert register(api("carl"), upload({"a": b"1", "b": b"2"})).json()["error"]["code"] == "too_many_files"


def test_a_damaged_blob_is_not_served(api, upload):
    register(api("carl"), upload({"iris.csv": ROWS}))
    blobs.path_of(hashlib.sha256(ROWS).hexdigest()).write_bytes(b"tampered")
    answer = api("rio").get(f"{URL}/iris/versions/1/files/iris.csv")
    with pytest.raises(Exception, match="damaged"):
        answer.getvalue()


def test_a_repeat_with_the_same_key_registers_once(api, upload):
    carl, files = api("carl"), upload({"iris.csv": ROWS})
    body = {"name": "iris", "files": files}
    answers = [carl.post(URL, body, format="json", HTTP_IDEMPOTENCY_KEY="once") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


def test_the_list_costs_the_same_for_many(api, upload):
    carl = api("carl")

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert carl.get(URL).status_code == 200
        return len(seen)

    register(carl, upload({"a.csv": ROWS}), name="one")
    few = queries()
    for number in range(5):
        register(carl, upload({"a.csv": ROWS + b"%d,0\n" % number}), name=f"more-{number}")
    assert queries() == few <= 5


# --- references --------------------------------------------------------------------------------------


def test_references_resolve_to_versions(api, upload, lab):
    register(api("carl"), upload({"a.csv": ROWS}))
    register(api("carl"), upload({"b.csv": ROWS}))
    assert resolve_version(lab, "iris").version == 2
    assert resolve_version(lab, "iris:latest").version == 2
    assert resolve_version(lab, "iris:1").files[0]["path"] == "a.csv"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("irris", "Did you mean 'iris'"),
        ("iris:9", "newest is 1"),
        ("iris:\u0663", "no version number"),
        ("iris:0", "no version number"),
        ("iris:99999999999", "no version number"),
        ("../iris", "cannot be the name"),
    ],
)
def test_a_reference_to_nothing_says_what_is_nearest(api, upload, lab, reference, says):
    register(api("carl"), upload({"a.csv": ROWS}))
    with pytest.raises(Exception, match=says):
        resolve_version(lab, reference)


def test_a_version_number_beyond_the_column_is_not_found(api, upload):
    register(api("carl"), upload({"a.csv": ROWS}))
    assert api("rio").get(f"{URL}/iris/versions/{10**30}").status_code == 404


# --- preview -----------------------------------------------------------------------------------------


def shown(api, upload, path, content):
    assert register(api("carl"), upload({path: content})).status_code == 201
    answer = api("rio").get(f"{URL}/iris/versions/1/preview")
    assert answer.status_code == 200
    return answer.json()


def test_a_table_shows_its_columns_and_rows(api, upload):
    preview = shown(api, upload, "iris.csv", ROWS)
    assert preview["columns"] == ["sepal", "petal"]
    assert preview["rows"] == [["5.1", "1.4"], ["4.9", "1.3"]]
    assert (preview["total_rows"], preview["truncated"]) == (2, False)


@pytest.mark.parametrize(
    ("path", "content", "columns", "first"),
    [
        ("a.csv", "名前;値\nりんご;3\n".encode(), ["名前", "値"], ["りんご", "3"]),
        ("a.csv", b"\xef\xbb\xbfa,b\n1,2\n", ["a", "b"], ["1", "2"]),
        ("a.csv", b'a,b\n"x, ""y""",2\n', ["a", "b"], ['x, "y"', "2"]),
        ("a.csv", b"0,0,5\n0,1,7\n", ["1", "2", "3"], ["0", "0", "5"]),
        ("a.csv", b"a,b\n1\n", ["a", "b"], ["1", ""]),
        ("a.tsv", b"a\tb\n1,5\t2\n", ["a", "b"], ["1,5", "2"]),
        ("a.jsonl", b'{"a": 1, "b": [1, 2]}\n{"a": NaN}\n', ["a", "b"], ["1", "[1, 2]"]),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0), ["a", "b"], ["1", "2"]),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"a": true}\n', mtime=0) + gzip.compress(b'{"a": 2}\n', mtime=0),
            ["a"],
            ["true"],
        ),
    ],
)
def test_kinds_of_tables(api, upload, path, content, columns, first):
    preview = shown(api, upload, path, content)
    assert (preview["kind"], preview["columns"], preview["rows"][0]) == ("table", columns, first)


def test_a_long_table_is_cut_at_a_hundred_rows_and_says_so(api, upload):
    preview = shown(api, upload, "a.csv", b"n\n" + b"".join(b"%d\n" % n for n in range(250)))
    assert (len(preview["rows"]), preview["total_rows"], preview["truncated"]) == (100, 250, True)


def test_a_gzip_bomb_is_read_to_the_budget_only(api, upload):
    bomb = gzip.compress(b"1,2,3\n" * 20_000_000, compresslevel=1)
    preview = shown(api, upload, "bomb.csv.gz", bomb)
    assert (len(preview["rows"]), preview["total_rows"], preview["truncated"]) == (100, None, True)


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("notes.md", b"# Iris\ntext", "text"),
        ("bad.jsonl", b'{"a": 1}\nnot json\n', "text"),
        ("deep.jsonl", b"[" * 100_000 + b"\n", "text"),
        ("wide.csv", b"a,b\n" + b'"' + b"x" * 200_000 + b'",1\n', "text"),
        ("model.joblib", b"\x80\x04", "none"),
        ("zip.csv", b"PK\x03\x04\x00\x00", "none"),
        ("broken.csv.gz", b"not gzip at all", "none"),
        ("empty.csv", b"", "table"),
    ],
)
def test_whatever_a_file_holds_the_preview_answers(api, upload, path, content, kind):
    assert shown(api, upload, path, content)["kind"] == kind


def test_the_reader_can_choose_a_file(api, upload):
    register(api("carl"), upload({"a.bin": b"\0", "b.md": b"text", "c.csv": ROWS}))
    preview = f"{URL}/iris/versions/1/preview"
    assert api("rio").get(preview).json()["path"] == "c.csv"
    assert api("rio").get(preview, {"path": "b.md"}).json()["text"] == "text"
    assert api("rio").get(preview, {"path": "../c.csv"}).status_code == 404


def test_an_answer_is_json_that_every_parser_reads(api, upload):
    register(api("carl"), upload({"a.jsonl": b'{"a": NaN, "b": Infinity, "c": 1e999}\n'}))
    body = api("rio").get(f"{URL}/iris/versions/1/preview").content
    json.loads(body, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_deleting_takes_all_versions(api, upload):
    carl = api("carl")
    register(carl, upload({"a.csv": ROWS}))
    assert carl.delete(f"{URL}/iris").status_code == 204
    assert carl.get(f"{URL}/iris").status_code == 404
    assert carl.delete(f"{URL}/iris").status_code == 404
