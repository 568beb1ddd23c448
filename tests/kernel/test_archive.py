"""Zips from outside: what an honest one gives, and that every dishonest one is refused whole."""

import io
import random
import stat
import struct
import zipfile
import zlib

import pytest

from studio.kernel import archive
from studio.kernel.errors import Invalid, TooLarge, ZaffreError

Content = dict[str, bytes]


def made(files: Content, *, method: int = zipfile.ZIP_DEFLATED, modes: dict[str, int] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as zipped:
        for path, data in files.items():
            item = zipfile.ZipInfo(path)
            item.create_system, item.compress_type = 3, method
            item.external_attr = (modes or {}).get(path, stat.S_IFREG | 0o644) << 16
            zipped.writestr(item, data)
    return out.getvalue()


def contents(raw: bytes, *, max_files: int = 100, max_bytes: int = 2**30) -> Content:
    file = io.BytesIO(raw)
    members = archive.open_zip(file, max_files=max_files, max_bytes=max_bytes)
    archive.verify(file, members)
    return {member.path: b"".join(archive.read(file, member)) for member in members}


def refused(raw: bytes, **limits: int) -> ZaffreError:
    with pytest.raises((Invalid, TooLarge)) as error:
        contents(raw, **limits)
    assert error.value.message
    return error.value


FILES: Content = {
    "train.py": b"print('hello')\n" * 1000,
    "lib/deep/pa\u00e9ge.py": random.Random(1).randbytes(3 * 1024 * 1024),
    "empty": b"",
}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_honest_zip_gives_its_files(method):
    assert contents(made(FILES, method=method)) == FILES


def test_folders_are_left_out_and_modes_are_known():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        zipped.mkdir("lib")
        zipped.writestr("lib/a.py", "1")
        tool = zipfile.ZipInfo("tool.sh")
        tool.external_attr = (stat.S_IFREG | 0o755) << 16
        zipped.writestr(tool, "#!/bin/sh")
    members = archive.open_zip(out, max_files=2, max_bytes=100)
    assert [(member.path, member.executable) for member in members] == [("lib/a.py", False), ("tool.sh", True)]


def test_a_zip_that_was_written_to_a_pipe_is_honest_too():
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, piece) -> int:
            self.data += bytes(piece)
            return len(piece)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as zipped:  # sizes come after the bytes
        for path, data in FILES.items():
            zipped.writestr(path, data)
    assert contents(pipe.data) == FILES


@pytest.mark.parametrize(
    "name",
    [
        "../evil.py", "/etc/evil.py", "a/../../evil.py", "a/./b", "a//b", "..", "a\\..\\b", "c:evil", "a\x01b",
        "../", "/", "x" * 300, "a/" * 600 + "b", "a\nb",
    ],
)  # fmt: skip
def test_names_that_leave_their_folder(name):
    refused(made({"train.py": b"1", name: b"x"}))


def test_a_name_with_a_nul_is_not_what_it_seems():
    raw = made({"good.py": b"1", "evilXpy": b"2"}).replace(b"evilX", b"evil\0")
    refused(raw)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK, stat.S_IFDIR])
@pytest.mark.parametrize("system", [0, 3, 19])
def test_links_and_devices(kind, system):
    raw = bytearray(made({"link": b"/etc/passwd"}, modes={"link": kind | 0o777}))
    raw[raw.rindex(b"PK\1\2") + 5] = system
    assert refused(bytes(raw)).code == "not_a_file"


def test_doubled_names_and_a_name_that_is_file_and_folder():
    with pytest.warns(UserWarning, match="Duplicate"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as zipped:
            zipped.writestr("a", "1")
            zipped.writestr("a", "2")
    refused(out.getvalue())
    refused(made({"a": b"1", "a/b": b"2"}))
    refused(made({"a/b/c": b"1", "a": b"2"}))
    refused(made({"a": b"1", "a/": b""}, modes={"a/": stat.S_IFDIR | 0o755}))


def test_a_folder_with_bytes():
    refused(made({"a/": b"hidden"}, modes={"a/": stat.S_IFDIR | 0o755}))


def overlapping(copies: int) -> bytes:
    """Many names for the same packed bytes (what Fifield's zip bomb does, in its simplest form)."""
    raw = made({"a": b"\0" * 1000})
    at = raw.index(b"PK\1\2")
    local, entry = raw[:at], raw[at : raw.index(b"PK\5\6")]
    directory = b"".join(
        entry[:28] + struct.pack("<H", len(name)) + entry[30:46] + name
        for name in (f"{number:03d}".encode() for number in range(copies))
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, copies, copies, len(directory), len(local), 0)
    return local + directory + end


def test_entries_that_share_their_bytes():
    """The names differ from the header's, so it is refused for that; with equal names, for the overlap."""
    refused(overlapping(3))
    first, second = made({"a": b"1" * 50}, method=0), made({"b": b"2" * 50}, method=0)
    # The second entry lies inside of the bytes of the first.
    inner = second[: second.index(b"PK\1\2")]
    outer = made({"a": inner}, method=0)
    at = outer.index(b"PK\1\2")
    where = outer.index(inner)
    directory = outer[at : outer.index(b"PK\5\6")]
    extra = second[second.index(b"PK\1\2") : second.index(b"PK\5\6")]
    directory += extra[:42] + struct.pack("<L", where) + extra[46:]
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), at, 0)
    raw = outer[:at] + directory + end
    assert zipfile.ZipFile(io.BytesIO(raw)).read("b") == b"2" * 50, "the standard library takes it"
    assert refused(raw).code == "overlap"
    assert first != second


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    raw = made({"zeros": b"\0" * (12 * 1024 * 1024)})
    assert len(raw) < 20_000

    def never(*_: object) -> None:
        raise AssertionError("it was unpacked")

    monkeypatch.setattr(archive.zlib, "decompressobj", never)
    assert refused(raw).code == "bomb"
    many = made({f"z{number}": b"\0" * (9 * 1024 * 1024) for number in range(3)})
    assert refused(many).code == "bomb"


def test_limits_name_the_biggest():
    raw = made({"small.py": b"1", "big.bin": b"2" * 5000, "middle.bin": b"3" * 3000})
    too_large = refused(raw, max_bytes=8000)
    assert isinstance(too_large, TooLarge)
    assert [one["path"] for one in too_large.details["biggest"]] == ["big.bin", "middle.bin", "small.py"]
    assert refused(raw, max_files=2).code == "too_many_files"
    assert contents(raw, max_files=3, max_bytes=8001)


def patched(raw: bytes, at: int, value: bytes, *, where: bytes = b"PK\1\2") -> bytes:
    place = raw.rindex(where) + at
    return raw[:place] + value + raw[place + len(value) :]


@pytest.mark.parametrize(("size", "crc"), [(10, None), (5000, None), (None, 7)])
def test_a_directory_that_lies_about_sizes_and_sums(size, crc):
    """In both places, so that only the bytes themselves can tell."""
    raw = made({"a.txt": b"x" * 1000 + b"y" * 1000})
    for where, shift in ((b"PK\1\2", 0), (b"PK\3\4", -2)):
        if size is not None:
            raw = patched(raw, 24 + shift, struct.pack("<L", size), where=where)
        if crc is not None:
            raw = patched(raw, 16 + shift, struct.pack("<L", crc), where=where)
    assert refused(raw).code == "damaged"


def test_a_member_never_gives_more_than_it_promised():
    raw = made({"a.txt": b"\0" * 5_000_000})
    for where, shift in ((b"PK\1\2", 0), (b"PK\3\4", -2)):
        raw = patched(raw, 24 + shift, struct.pack("<L", 100), where=where)
    file = io.BytesIO(raw)
    [member] = archive.open_zip(file, max_files=1, max_bytes=100)
    got = 0
    with pytest.raises(Invalid):
        for piece in archive.read(file, member):
            got += len(piece)
    assert got == 0


def test_two_sizes_and_two_names():
    raw = made({"a.txt": b"x" * 1000})
    refused(patched(raw, 24, struct.pack("<L", 999)))
    refused(raw.replace(b"a.txt", b"b.txt", 1))
    refused(patched(raw, 8, struct.pack("<H", 0), where=b"PK\3\4"))


def test_encrypted_and_strangely_packed_files():
    raw = made({"a.txt": b"x" * 1000})
    for where in (b"PK\1\2", b"PK\3\4"):
        flags = 8 if where == b"PK\1\2" else 6
        raw = patched(raw, flags, struct.pack("<H", 1), where=where)
    assert refused(raw).code == "encrypted"
    refused(made({"a.txt": b"x" * 1000}, method=zipfile.ZIP_BZIP2))
    refused(made({"a.txt": b"x" * 1000}, method=zipfile.ZIP_LZMA))


@pytest.mark.parametrize("raw", [b"", b"no zip", b"PK\3\4" * 20, b"\0" * 100, b"PK\5\6"])
def test_what_is_no_zip(raw):
    assert refused(raw).code == "bad_zip"


def test_a_cut_an_added_and_a_shifted_zip():
    raw = made(FILES)
    for length in (len(raw) // 2, len(raw) - 1, 30):
        refused(raw[:length])
    refused(raw + b"more")
    refused(b"before" + raw)
    refused(raw + raw[-22:])


def test_a_zip_of_the_large_kind_is_named():
    out = io.BytesIO(made({"a": b"1"}))
    raw = bytearray(out.getvalue())
    raw[-14:-10] = struct.pack("<2H", 0xFFFF, 0xFFFF)
    assert "Zip64" in refused(bytes(raw)).message


def test_an_empty_zip_has_no_files():
    assert contents(made({})) == {}


def test_no_change_of_a_byte_is_a_defect_of_ours():
    """Whatever stands in the file: an answer or a refusal, and never other bytes than the checksums allow."""
    chance = random.Random(20)
    honest = {"a.py": b"print(1)\n" * 40, "b/c.txt": b"text " * 100}
    raw = made(honest)
    for _ in range(4000):
        broken = bytearray(raw)
        for _ in range(chance.choice([1, 1, 2, 5])):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        if chance.random() < 0.2:
            del broken[chance.randrange(len(broken)) :]
        try:
            got = contents(bytes(broken))
        except ZaffreError:
            continue
        for data in got.values():
            assert zlib.crc32(data) in {zlib.crc32(one) for one in honest.values()}
