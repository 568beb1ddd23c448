"""Files of a run in a browser: folders, parts, tables, zips, and frames for what may hold code: all hostile."""

import io
import re
import zipfile
from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs.artifacts import api as doors
from runs.artifacts import previews, zips
from runs.artifacts.models import Artifact
from runs.models import Run
from studio.kernel import addresses, blobs, markdown
from tests.kernel.asgi import Caller
from tests.runs.telemetry import Running, ask
from workspace.models import Workspace

PAGE = b"<h1>Report</h1><script>document.cookie</script>"
HOSTILE = [
    "outputs/<script>alert(1)</script>.txt",
    "outputs/a\"b'c.csv",
    "outputs/%2e%2e/x.txt",
    "outputs/日本語 ファイル.txt",
    "outputs/a&b;c.txt",
]
OUTSIDE = [
    "../secret",
    "..%2fsecret",
    "%2e%2e/%2e%2e/etc/passwd",
    "outputs/../../x",
    "/etc/passwd",
    "outputs%00.txt",
    "x" * 9000,
]


@pytest.fixture
def keep(lab: Workspace, running: Running) -> Callable[[dict[str, bytes]], None]:
    """`keep({path: bytes})`: files of the run."""

    def store(files: dict[str, bytes]) -> None:
        Artifact.objects.bulk_create(
            Artifact(run_id=running.id, path=path, sha256=blobs.put([data], workspace_id=lab.pk)[0], size=len(data))
            for path, data in files.items()
        )

    return store


def folder(api, running: Running, path: str = "", after: str = ""):
    return api("rio").get(f"{running.user}/folder", {"path": path, "after": after}).json()


def test_a_folder_shows_what_lies_in_it(api, running, keep, monkeypatch):
    keep({"outputs/a.txt": b"1", "outputs/deep/b.txt": b"22", "outputs/deep/er/c.txt": b"333", "z.txt": b""})
    assert folder(api, running)["entries"] == [
        {"name": "outputs", "folder": True, "size": 6, "files": 3},
        {"name": "z.txt", "folder": False, "size": 0, "files": 1},
    ]
    assert [one["name"] for one in folder(api, running, "outputs")["entries"]] == ["a.txt", "deep"]
    assert folder(api, running, "outputs/a.txt") == {"entries": [], "more": False}
    monkeypatch.setattr(doors, "MOST_OF_A_FOLDER", 1)
    first = folder(api, running)
    assert first["more"] and folder(api, running, after="outputs")["entries"][0]["name"] == "z.txt"
    for odd in ("..", "outputs/..", "%", "_", "\0", "x" * 5000):
        assert folder(api, running, odd)["entries"] == []


def test_a_folder_of_many_files_is_one_statement_more(api, running, keep):
    keep({f"outputs/{at:05d}.txt": b"1" for at in range(1500)})
    client = api("rio")
    with CaptureQueriesContext(connection) as asked:
        told = client.get(f"{running.user}/folder", {"path": "outputs"}).json()
    assert len(told["entries"]) == 1000 and told["more"]
    assert len(asked) <= 6


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_names_are_names(api, running, keep, path):
    keep({path: b"held"})
    got = api("rio").get(f"{running.user}/artifacts/{quote(path)}")
    assert got.getvalue() == b"held" and "\n" not in got["Content-Disposition"]
    assert got["Content-Type"] == "application/octet-stream"
    names = [one["name"] for one in folder(api, running, path.rpartition("/")[0])["entries"]]
    assert path.rpartition("/")[2] in names


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out_of_the_run(api, running, keep, path):
    keep({"outputs/a.txt": b"1"})
    for door in ("artifacts", "rows", "preview", "rendered"):
        assert api("rio").get(f"{running.user}/{door}/{path}").status_code in {301, 404}


def test_a_part_of_a_file(api, running, keep):
    keep({"a.bin": bytes(range(256)), "empty": b""})

    def part(path: str, wanted: str):
        got = api("rio").get(f"{running.user}/artifacts/{path}", HTTP_RANGE=wanted)
        return got.status_code, got.getvalue(), got.get("Content-Range")

    assert part("a.bin", "bytes=3-5") == (206, b"\x03\x04\x05", "bytes 3-5/256")
    assert part("a.bin", "bytes=250-") == (206, bytes(range(250, 256)), "bytes 250-255/256")
    assert part("a.bin", "bytes=-2") == (206, b"\xfe\xff", "bytes 254-255/256")
    assert part("a.bin", "bytes=300-400") == (416, b"", "bytes */256")
    assert part("empty", "bytes=0-0") == (416, b"", "bytes */0")
    for odd in ("bytes=5-3", "bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert part("a.bin", odd)[0] in {200, 416}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("x.png", "image/png"), ("x.bmp", "image/bmp"), ("x.mp3", "audio/mpeg"), ("x.MP4", "video/mp4")]
    + [(name, "application/octet-stream") for name in ("x.html", "x.svg", "x.js", "x.pdf", "x.xml", "x", "x.png.html")],
)
def test_what_kind_a_file_is_stands_in_a_table(api, running, keep, name, kind):
    keep({name: PAGE})
    got = api("rio").get(f"{running.user}/artifacts/{name}")
    assert got["Content-Type"] == kind and got["X-Content-Type-Options"] == "nosniff"
    assert got["Content-Disposition"].startswith("attachment" if kind.startswith("application") else "inline")
    assert "sandbox" in got["Content-Security-Policy"] and "default-src 'none'" in got["Content-Security-Policy"]
    saved = api("rio").get(f"{running.user}/artifacts/{name}?download=1")
    assert saved["Content-Disposition"].startswith("attachment")


# --- frames -----------------------------------------------------------------------------------------------------------


async def test_a_page_is_shown_in_a_world_of_its_own(app, running, person, keep):
    await ask(lambda: keep({"outputs/r.html": PAGE, "logo.svg": b"<svg/>", "a.pdf": b"%PDF"}))
    for path, kind in [("outputs/r.html", "text/html; charset=utf-8"), ("logo.svg", "image/svg+xml")]:
        url = (await person("rio").get(f"{running.user}/preview/{path}")).json()["url"]
        assert re.fullmatch(r"/content/zaf_url_[\w-]+", url)
        # Without a cookie: the address is the right, for a minute.
        got = await Caller(app).get(url)
        assert got.status == 200 and got.headers["content-type"] == kind
        policy = got.headers["content-security-policy"]
        assert policy.startswith("sandbox; default-src 'none'") and "script-src" not in policy
        assert "frame-ancestors 'self'" in policy and "allow-same-origin" not in policy
        assert got.headers["x-content-type-options"] == "nosniff" and got.headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in got.headers and got.headers["cache-control"] == "no-store"
    url = (await person("rio").get(f"{running.user}/preview/outputs/r.html?scripts=1")).json()["url"]
    policy = (await Caller(app).get(url)).headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'") and "allow-same-origin" not in policy
    assert "connect-src" not in policy, "default-src 'none' stands for it"
    url = (await person("rio").get(f"{running.user}/preview/a.pdf")).json()["url"]
    assert (await Caller(app).get(url)).headers["content-type"] == "application/pdf"


async def test_an_address_ends_with_its_time_its_run_and_its_readers_rights(
    app, running, person, keep, people, monkeypatch
):
    await ask(lambda: keep({"r.html": PAGE}))
    url = (await person("rio").get(f"{running.user}/preview/r.html")).json()["url"]
    assert (await Caller(app).get(url)).status == 200
    for wrong in (url[:-3] + "AAA", f"{previews.PLACE}/x", f"{previews.PLACE}/zaf_url_AAAA"):
        assert (await Caller(app).get(wrong)).status == 403
    sealed = await ask(lambda: addresses.seal_claims({"ws": "lab"}, use="something else", seconds=60))
    assert (await Caller(app).get(f"{previews.PLACE}/{sealed}")).status == 403
    await ask(lambda: people.rio.memberships.all().delete())
    assert (await Caller(app).get(url)).status == 404
    olga = (await person("olga").get(f"{running.user}/preview/r.html")).json()["url"]
    await ask(lambda: Run.objects.filter(pk=running.id).update(deleted=timezone.now()))
    assert (await Caller(app).get(olga)).status == 404
    await ask(lambda: Run.objects.filter(pk=running.id).update(deleted=None))
    monkeypatch.setattr(previews, "SECONDS", -1.0)
    late = (await person("olga").get(f"{running.user}/preview/r.html")).json()["url"]
    assert (await Caller(app).get(late)).status == 403


def test_only_some_kinds_and_sizes_are_framed(api, running, keep, monkeypatch):
    keep({"a.exe": b"x", "r.html": PAGE})
    assert api("rio").get(f"{running.user}/preview/a.exe").json()["error"]["code"] == "no_preview"
    monkeypatch.setattr(previews, "MOST_BYTES", 3)
    assert api("rio").get(f"{running.user}/preview/r.html").status_code == 413


# --- tables -----------------------------------------------------------------------------------------------------------


def rows(api, running: Running, path: str, **asked: object):
    return api("rio").get(f"{running.user}/rows/{path}", asked)


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_page_by_page_with_quoted_cells(api, running, keep, codec):
    lines = ["id,text", *(f'{at},"a ""b"", {at}\nsecond"' for at in range(450))]
    keep({"t.csv": ("\ufeff" + "\n".join(lines)).encode(codec)})
    got, start, delimiter = [], 0, ""
    while start is not None:
        told = rows(api, running, "t.csv", start=start, delimiter=delimiter).json()
        got, start, delimiter = got + told["rows"], told["next"], told["delimiter"]
    assert got[0] == ["id", "text"] and len(got) == 451
    assert got[450] == ["449", 'a "b", 449\nsecond']


def test_odd_tables(api, running, keep, monkeypatch):
    keep(
        {
            "t.tsv": b"a\tb\n1,5\t2\n",
            "semi.csv": b"a;b;c\n1,5;2;3\n",
            "nul.csv": b"a,b\n\0,\xff\xfe\n",
            "empty.csv": b"",
            "open.csv": b'a,b\n"' + b"x" * 5000,
            "wide.csv": b",".join(b"%d" % at for at in range(2000)),
        }
    )
    assert rows(api, running, "t.tsv").json()["rows"] == [["a", "b"], ["1,5", "2"]]
    assert rows(api, running, "semi.csv").json()["rows"][1] == ["1,5", "2", "3"]
    assert rows(api, running, "nul.csv").json()["rows"][1] == ["\ufffd", "\ufffd\ufffd"]
    assert rows(api, running, "empty.csv").json() == {"rows": [], "next": None, "size": 0, "delimiter": ","}
    assert len(rows(api, running, "wide.csv").json()["rows"][0]) == previews.MOST_COLUMNS
    assert rows(api, running, "t.tsv", start=10**17).json()["rows"] == []
    monkeypatch.setattr(previews, "MOST_TEXT", 1000)
    told = rows(api, running, "open.csv").json()
    assert told["rows"] == [["a", "b"]]
    assert rows(api, running, "open.csv", start=told["next"]).json()["error"]["code"] == "bad_table"


# --- zips -------------------------------------------------------------------------------------------------------------


async def test_a_folder_as_a_zip(person, running, keep):
    files = {f"outputs/deep/{at}.txt": b"%d" % at * 100 for at in range(30)}
    await ask(lambda: keep(files | {"outputs/a.txt": b"a", "outputs2/b.txt": b"b"}))
    got = await person("rio").get(f"{running.user}/zip?folder=outputs/deep")
    assert got.status == 200 and got.headers["content-type"] == "application/zip"
    assert (
        got.headers["content-disposition"].startswith("attachment") and "deep.zip" in got.headers["content-disposition"]
    )
    with zipfile.ZipFile(io.BytesIO(got.body)) as held:
        assert held.testzip() is None
        assert {name: held.read(name) for name in held.namelist()} == {
            path.removeprefix("outputs/"): data for path, data in files.items()
        }
    whole = zipfile.ZipFile(io.BytesIO((await person("rio").get(f"{running.user}/zip")).body))
    assert len(whole.namelist()) == 32
    for odd in ("nothing", "..", "outputs/a.txt", "%00", "outputs%25"):
        assert (await person("rio").get(f"{running.user}/zip?folder={odd}")).status == 404


async def test_a_zip_of_ten_thousand_files_is_made_while_it_is_sent(running, keep, people):
    def look() -> tuple[int, int, int]:
        keep({"one": b"x" * 1000})
        [one] = Artifact.objects.all()
        Artifact.objects.bulk_create(
            Artifact(run_id=running.id, path=f"many/{at:05d}", sha256=one.sha256, size=one.size) for at in range(10_000)
        )
        with CaptureQueriesContext(connection) as asked:
            sizes = [len(piece) for piece in zips.pack("lab", running.id, "many", actor=people.actor("rio")).pieces]
        return sum(sizes), max(sizes), len(asked)

    size, largest, asked = await ask(look)
    assert size > 1_000_000
    assert largest < 2 * 1024 * 1024 and asked < 25


@pytest.mark.parametrize("who", ["mallory", None])
async def test_strangers_find_no_files(app, person, running, keep, who):
    await ask(lambda: keep({"outputs/r.html": PAGE, "t.csv": b"a,b"}))
    wanted = {"mallory": 404, None: 401}[who]
    for door in ("zip?folder=outputs", "folder?path=outputs", "rows/t.csv", "rendered/r.md", "preview/outputs/r.html"):
        got = await person(who).get(f"{running.user}/{door}")
        assert got.status == wanted, door
    other = f"/api/v1/workspaces/den/runs/{running.id}"
    for door in ("zip", "folder", "rows/t.csv", "rendered/r.md", "preview/outputs/r.html"):
        assert (await person("mallory").get(f"{other}/{door}")).status == 404


async def test_a_deleted_run_shows_no_files(person, running, keep):
    await ask(lambda: keep({"outputs/r.html": PAGE, "t.csv": b"a,b"}))
    await ask(lambda: Run.objects.filter(pk=running.id).update(deleted=timezone.now()))
    for door in (
        "zip",
        "folder",
        "rows/t.csv",
        "preview/outputs/r.html",
        "rendered/r.md",
        "artifacts/t.csv",
        "log/lines",
        "log/search?q=a",
    ):
        assert (await person("rio").get(f"{running.user}/{door}")).status == 404, door


# --- Markdown ---------------------------------------------------------------------------------------------------------

#: Each of them is to come out as text, or as a link that tells nobody where it stands.
WORDS = b"""# Report

| run | loss |
|---|--:|
| a | 0.5 |

<script>alert(1)</script> <img src=x onerror=alert(1)>

[out](https://example.org/a) [run](javascript:alert(1)) [data](data:text/html,x) ![far](https://example.org/p.png)
"""


def rendered(api, running: Running, path: str):
    return api("rio").get(f"{running.user}/rendered/{path}")


def test_markdown_is_rendered_without_a_tag_of_its_writer(api, running, keep):
    keep({"outputs/r.md": WORDS, "R.MARKDOWN": "\ufeff# 日本".encode(), "w.md": "# wide".encode("utf-16"), "e.md": b""})
    told = rendered(api, running, "outputs/r.md").json()
    assert told["cut"] is False
    assert "<h1>Report</h1>" in told["html"] and '<td class="n">0.5</td>' in told["html"]
    assert set(re.findall(r"<(/?[a-z0-9]+)", told["html"])) <= {
        f"{end}{tag}" for end in ("", "/") for tag in ["h1", "p", "table", "thead", "tbody", "tr", "th", "td", "a"]
    }
    assert set(re.findall(r'href="([^"]+)"', told["html"])) == {"https://example.org/a", "https://example.org/p.png"}
    assert told["html"].count('rel="noopener noreferrer nofollow"') == 2
    assert rendered(api, running, "R.MARKDOWN").json()["html"] == "<h1>日本</h1>\n"
    assert rendered(api, running, "w.md").json()["html"] == "<h1>wide</h1>\n"
    assert rendered(api, running, "e.md").json() == {"html": "", "cut": False}


def test_of_long_markdown_the_beginning_is_rendered_and_of_other_files_nothing(api, running, keep, monkeypatch):
    monkeypatch.setattr(markdown, "MOST", 5)
    keep({"just.md": b"12345", "long.md": b"123456", "bytes.md": b"\xff" * 30, "r.html": WORDS, "md": WORDS})
    assert rendered(api, running, "just.md").json() == {"html": "<p>12345</p>\n", "cut": False}
    assert rendered(api, running, "long.md").json() == {"html": "<p>12345</p>\n", "cut": True}
    assert rendered(api, running, "bytes.md").json()["cut"] is True
    for other in ("r.html", "md"):
        assert rendered(api, running, other).json()["error"]["code"] == "no_preview"


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_pictures_are_shown_by_name_and_page_by_page(browser, running, keep, monkeypatch):
    """What was logged stands on the run's row; of 3000 files only one page is read."""
    keep(
        {f"outputs/plot-{at:04d}.PNG": b"x" for at in range(200)}
        | {f"outputs/{at:04d}.txt": b"x" for at in range(3000)}
    )
    keep({"images/s-1.png": b"1", "outputs/<b>x.png": b"2", "outputs/not-a.png.exe": b"3"})
    Run.objects.filter(pk=running.id).update(
        metrics={
            "<i>s": {"kind": "image", "count": 12, "last_step": 110, "last": "images/s-1.png"},
            "loss": {"kind": "scalar"},
        }
    )
    page = f"/w/lab/runs/{running.id}/images"
    client = browser("rio")
    with CaptureQueriesContext(connection) as asked:
        first = client.get(page).content.decode()
    assert len(asked) <= 16
    assert 'data-key="&lt;i&gt;s"' in first and 'max="12"' in first and "<i>s" not in first
    assert first.count("data-picture") == 61 and "images/s-1.png" not in first.split("Files with pictures")[1]
    assert "&lt;b&gt;x.png" in first and ".exe" not in first
    last = re.search(r'href="\?(path=[^"]+)"', first)
    assert last and "plot-0058.PNG" in last[1]
    second = client.get(f"{page}?{last[1]}").content.decode()
    assert "plot-0058.PNG" not in second.split("Files with pictures")[1] and "plot-0059.PNG" in second
    assert client.get(f"{page}?q=PLOT-0199").content.decode().count("data-picture") == 1
    for odd in ("?q=%00", "?path=%00&name=%00", f"?q={'x' * 5000}", "?q=%25&path=..%2f"):
        assert client.get(page + odd).status_code == 200
    assert browser("mallory").get(page).status_code == 404


def test_the_page_of_outputs_costs_the_same_for_many_files(browser, running, keep):
    client, counts = browser("rio"), []
    for many in (3, 1000):
        keep({f"logs/{many}/{at}.log": b"x" for at in range(many)})
        with CaptureQueriesContext(connection) as asked:
            assert client.get(f"/w/lab/runs/{running.id}/outputs?attempt=99999999999&file=<script>").status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] and counts[0] <= 24


async def test_with_a_second_origin_frames_are_there_and_nowhere_else(app, running, person, keep, settings):
    settings.CONTENT_URL, settings.PUBLIC_URL = "https://content.example", "https://studio.example"
    await ask(lambda: keep({"r.html": PAGE}))
    url = (await person("rio").get(f"{running.user}/preview/r.html")).json()["url"]
    assert url.startswith("https://content.example/content/zaf_url_")
    path = url.removeprefix("https://content.example")
    there = await Caller(app).get(path, host="content.example")
    assert there.status == 200
    assert there.headers["content-security-policy"].endswith("frame-ancestors 'self' https://studio.example")
    assert (await Caller(app).get(path)).status == 404
    assert (await person("rio").get(f"{running.user}/artifacts/r.html", host="content.example")).status == 404
