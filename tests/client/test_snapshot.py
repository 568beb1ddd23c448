"""What of a folder is sent: ignore rules, limits, links, only the missing bytes."""

import os
import subprocess

import pytest

from tests.client.studio import Reply, W, _refuse
from zaffre import files, snapshot
from zaffre.errors import SnapshotException, UserErrorException
from zaffre.gitinfo import git_facts, without_credentials
from zaffre.packs import unpack
from zaffre.snapshot import list_folder, make_snapshot, require_script


@pytest.fixture
def code(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    return folder


def write(folder, **given):
    for name, text in given.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def paths(folder):
    return [file.path for file in list_folder(folder).files]


def put(folder, *names, text="x"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_rules_as_git_reads_them(code):
    put(code, "train.py", "a.log", "keep.log", "data/big.bin", "data/keep.csv", "build/x", "lib/build/y", "lib/z.log")
    (code / ".gitignore").write_text("# comment\n*.log\n!keep.log\n/build/\ndata/*\n!data/keep.csv\n")
    (code / "lib" / ".gitignore").write_text("!z.log\n")
    expected = [".gitignore", "data/keep.csv", "keep.log", "lib/.gitignore", "lib/build/y", "lib/z.log", "train.py"]
    assert paths(code) == expected


def test_amlignore_wins_alone_and_zaffreignore_before_it(code):
    put(code, "a.txt", "b.txt", "c.txt")
    (code / ".gitignore").write_text("a.txt\n")
    assert "a.txt" not in paths(code)
    (code / ".amlignore").write_text("b.txt\n")
    assert [path for path in paths(code) if path.endswith("txt")] == ["a.txt", "c.txt"]
    (code / ".zaffreignore").write_text("c.txt\n")
    assert [path for path in paths(code) if path.endswith("txt")] == ["a.txt", "b.txt"]


def test_what_is_never_code_is_left_out(code):
    put(code, "train.py", ".git/config", "pkg/__pycache__/a.pyc", ".venv/bin/python", "node_modules/x/y.js")
    put(code, "my-env/pyvenv.cfg", "my-env/lib/a.py")
    assert paths(code) == ["train.py"]


def test_too_large_names_the_biggest_first(code, monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_SNAPSHOT_BYTES", 1000)
    put(code, "train.py")
    put(code, "second.bin", text="x" * 600)
    put(code, "first.bin", text="x" * 900)
    with pytest.raises(SnapshotException) as told:
        snapshot.check(list_folder(code))
    said = str(told.value)
    assert said.index("first.bin") < said.index("second.bin")
    assert ".zaffreignore" in said


def test_too_many_names_the_fullest_folder(code, monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_SNAPSHOT_FILES", 5)
    put(code, "train.py", *[f"frames/{number}.png" for number in range(9)])
    with pytest.raises(SnapshotException, match=r"10 files.*at most 5[\s\S]*9 files  frames"):
        snapshot.check(list_folder(code))


def test_nothing_is_sent_when_it_is_too_large(studio, space, code, monkeypatch):
    monkeypatch.setattr(snapshot, "MAX_SNAPSHOT_BYTES", 10)
    put(code, "train.py", text="x" * 11)
    before = len(studio.calls)
    with pytest.raises(SnapshotException):
        make_snapshot(space.client, "main", code)
    assert len(studio.calls) == before


def test_links_out_of_the_folder_are_refused_and_others_followed(code, tmp_path):
    put(tmp_path, "secret", text="s")
    put(code, "train.py", text="1")
    os.symlink("train.py", code / "alias.py")
    assert [(file.path, file.size) for file in list_folder(code).files] == [("alias.py", 1), ("train.py", 1)]
    os.symlink(tmp_path / "secret", code / "out")
    with pytest.raises(SnapshotException, match="out leads out of"):
        list_folder(code)
    (code / ".zaffreignore").write_text("out\n")
    assert "out" not in paths(code)


@pytest.mark.parametrize("target", ["nothing", "..", "folder"])
def test_links_to_nothing_and_to_folders_are_refused(code, target):
    put(code, "folder/a")
    os.symlink(target, code / "link")
    with pytest.raises(SnapshotException, match="link"):
        list_folder(code)


def test_a_folder_that_is_a_link_itself_is_fine(code, tmp_path):
    put(code, "train.py")
    os.symlink(code, tmp_path / "alias")
    assert paths(tmp_path / "alias") == ["train.py"]


def test_sockets_are_no_code(code):
    put(code, "train.py")
    os.mkfifo(code / "pipe")
    assert paths(code) == ["train.py"]


def sent(studio):
    """How many files came in packs."""
    return sum(len(unpack(call.body)) for call in studio.asked("POST", f"{W}/blobs"))


def test_only_missing_bytes_are_uploaded_and_asked_for_in_pieces(studio, space, code, monkeypatch):
    monkeypatch.setattr(files, "MAX_HASHES_PER_QUESTION", 2)
    for number in range(5):
        put(code, f"f{number}.py", text=str(number))
    put(code, "same.py", text="0")
    make_snapshot(space.client, "main", code)
    assert [len(call.json["sha256"]) for call in studio.asked("POST", f"{W}/blobs/missing")] == [2, 2, 1]
    assert len(studio.blobs) == 5
    assert [one["path"] for one in studio.asked("POST", f"{W}/snapshots")[0].json["files"]][-1] == "same.py"
    before = sent(studio)
    put(code, "f0.py", text="new")
    make_snapshot(space.client, "main", code)
    assert sent(studio) == before + 1


def test_an_upload_that_is_cut_is_sent_whole_again(studio, space, code):
    text = "x" * 300_000
    put(code, "train.py", text=text)
    digest = __import__("hashlib").sha256(text.encode()).hexdigest()
    studio.next(f"PUT {W}/blobs/{digest}", Reply(cut=True), Reply(503, {}))
    make_snapshot(space.client, "main", code)
    assert studio.blobs[digest] == text.encode()


def test_a_file_that_changes_meanwhile_is_named(studio, space, code):
    text = "x" * 300_000
    put(code, "train.py", text=text)
    digest = __import__("hashlib").sha256(text.encode()).hexdigest()
    studio.next(f"PUT {W}/blobs/{digest}", _refuse(422, "digest_mismatch", "changed"))
    with pytest.raises(SnapshotException, match=r"train\.py changed"):
        make_snapshot(space.client, "main", code)


def test_a_small_file_that_changes_before_its_pack_is_made_is_named(studio, space, code, monkeypatch):
    put(code, "train.py", text="1")
    place, ask = code / "train.py", space.client.post

    def asked(path, value):
        place.write_text("2")
        return ask(path, value)

    monkeypatch.setattr(space.client, "post", asked)
    with pytest.raises(SnapshotException, match=r"train\.py changed"):
        make_snapshot(space.client, "main", code)
    assert not studio.asked("POST", f"{W}/blobs")


def test_executable_bits_are_kept(code):
    put(code, "run.sh", "train.py")
    (code / "run.sh").chmod(0o755)
    assert [oct(file.mode) for file in list_folder(code).files] == ["0o755", "0o644"]


def test_a_missing_script_names_the_nearest(code):
    put(code, "train.py", "src/evaluate.py", "ignored.py")
    (code / ".zaffreignore").write_text("ignored.py\n")
    listing = list_folder(code)
    require_script(listing, "./src/evaluate.py")
    with pytest.raises(UserErrorException, match=r"Did you mean train\.py"):
        require_script(listing, "trian.py")
    with pytest.raises(UserErrorException, match=r"Did you mean src/evaluate\.py"):
        require_script(listing, "evaluate.py")
    with pytest.raises(UserErrorException, match=r"left out of the snapshot by \.zaffreignore"):
        require_script(listing, "ignored.py")
    with pytest.raises(UserErrorException):
        require_script(listing, "../code/../x.py")


def test_downloads_stay_in_their_folder():
    for path in ("../x", "/etc/passwd", "a//b", "a/../../b", "", "a\\b", "C:/x", "a\0b"):
        with pytest.raises(Exception, match="leave its folder"):
            files.safe_parts(path)


# --- git -------------------------------------------------------------------------------------------


def git(folder, *words):
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    words = ("-c", "user.name=o", "-c", "user.email=o@example.org", *words)
    return subprocess.run(
        ["git", "-C", str(folder), *words], check=True, capture_output=True, text=True, env=env
    ).stdout


def test_git_is_not_started_where_no_repository_is(code, monkeypatch):
    started = []
    monkeypatch.setattr(subprocess, "run", lambda *words, **_: started.append(words))
    assert git_facts(code) == {}
    assert started == []


def test_git_facts_hold_no_credentials(code):
    put(code, "train.py")
    assert git_facts(code) == {}
    git(code, "init", "-q", "-b", "main")
    git(code, "remote", "add", "origin", "https://olga:s3cret@git.example/lab/code.git?token=s3cret")
    git(code, "add", ".")
    git(code, "commit", "-q", "-m", "First")
    facts = git_facts(code)
    head = git(code, "rev-parse", "HEAD").strip()
    remote = "https://git.example/lab/code.git"
    assert facts == {"commit": head, "branch": "main", "remote": remote, "dirty": False}
    put(code, "new.py")
    assert git_facts(code)["dirty"] is True
    git(code, "checkout", "-q", "--detach")
    assert "branch" not in git_facts(code)


@pytest.mark.parametrize(
    ("remote", "kept"),
    [
        ("git@github.com:lab/code.git", "git@github.com:lab/code.git"),
        ("ssh://git@host:22/code", "ssh://git@host:22/code"),
        ("ssh://git:pw@host/code", "ssh://host/code"),
        ("https://token@host/code", "https://host/code"),
        ("user:pw@host:code", "host:code"),
        ("/srv/git/code", "/srv/git/code"),
    ],
)
def test_remotes_lose_their_secrets(remote, kept):
    assert without_credentials(remote) == kept


def test_git_does_not_start_programs_of_the_repository(code):
    put(code, "train.py")
    git(code, "init", "-q", "-b", "main")
    git(code, "add", ".")
    git(code, "commit", "-q", "-m", "First")
    hook = code / "hook.sh"
    hook.write_text(f"#!/bin/sh\ntouch {code}/started\n")
    hook.chmod(0o755)
    git(code, "config", "core.fsmonitor", str(hook))
    assert git_facts(code)["commit"]
    assert not (code / "started").exists()


@pytest.fixture
def repository(code):
    git(code, "init", "-q")
    put(code, "train.py", "lib/model.py")
    git(code, "add", ".")
    git(code, "commit", "-qm", "first")
    return code


def test_changes_since_the_commit_travel_along(repository, tmp_path):
    assert "diff" not in git_facts(repository), "nothing was changed"
    (repository / "train.py").write_text("changed\n")
    (repository / "lib" / "model.py").unlink()
    (repository / "new.py").write_text("the snapshot holds it\n")
    facts = git_facts(repository)
    assert facts["left_out"] == []
    patch = tmp_path / "changes.diff"
    patch.write_text(facts["diff"])
    git(repository, "checkout", "-q", ".")
    git(repository, "apply", str(patch))
    assert (repository / "train.py").read_text() == "changed\n"
    assert not (repository / "lib" / "model.py").exists()


def test_changes_too_large_are_named(repository):
    (repository / "train.py").write_text("x\n" * 400_000)
    (repository / "lib" / "model.py").write_text("small\n")
    facts = git_facts(repository)
    assert facts["left_out"] == ["train.py"]
    assert "+small" in facts["diff"] and "train.py" not in facts["diff"]


def test_changes_stay_here_for_who_wants_it(repository, monkeypatch):
    (repository / "train.py").write_text("changed\n")
    assert "diff" not in git_facts(repository, diff=False)
    monkeypatch.setenv("ZAFFRE_GIT_DIFF", "0")
    facts = git_facts(repository)
    assert facts["dirty"] is True and "diff" not in facts


def test_a_diff_starts_no_program_of_the_repository(repository, tmp_path):
    sign = tmp_path / "sign"
    git(repository, "config", "diff.external", f"touch {sign}")
    git(repository, "config", "diff.evil.textconv", f"touch {sign}; cat")
    (repository / ".gitattributes").write_text("*.py diff=evil\n")
    (repository / "train.py").write_text("changed\n")
    assert "+changed" in git_facts(repository)["diff"]
    assert not sign.exists()
