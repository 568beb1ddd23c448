"""Table C: files, through MLflow's proxied artifacts on both sides, and a folder through each one's own client."""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.harness import Case, Measure, Sample
from bench.servers import Bench, Side
from bench.wire import Request, closed_loop, swallow
from zaffre.files import local_file, send
from zaffre.transport import Client, workspace_path

MB = 2**20


@dataclass(frozen=True)
class Size:
    large: int = 200 * MB
    small: int = 10_240
    files: int = 200
    #: In the folder that is sent as a whole.
    folder: int = 1000


def cases(bench: Bench, size: Size) -> list[Case]:
    roots = {side.name: _root(side) for side in bench.sides}
    large = os.urandom(size.large)
    clients = {1: size.files, 8: size.files * 2}

    def up(count: int) -> Measure:
        def measure(side: Side, number: int) -> Sample:
            each = clients[count] // count // (1 if side.name == "ours" else 2)
            work = [
                [
                    _put(side, roots, f"up{count}/{number}/{client}/{at}", os.urandom(size.small))
                    for at in range(max(each, 5))
                ]
                for client in range(count)
            ]
            return Sample.rate(closed_loop(side.target, work))

        return measure

    def down(count: int) -> Measure:
        def measure(side: Side, number: int) -> Sample:
            asked = [_get(side, roots, f"folder/{at}") for at in range(50)]
            return Sample.rate(closed_loop(side.target, [asked * 4] * count))

        return measure

    def large_up(side: Side, number: int) -> Sample:
        times = closed_loop(side.target, [[_put(side, roots, f"large{number}", large)]])
        return Sample(size.large / MB / times.whole)

    def large_down(side: Side, number: int) -> Sample:
        # Thrown away as it comes, on both sides: what joins it costs more than a server that sends it.
        seconds, received = swallow(side.target, _get(side, roots, "large0"))
        if received < size.large:
            raise SystemExit(f"{side.name} sent {received} bytes of {size.large}")
        return Sample(size.large / MB / seconds)

    def listed(side: Side, number: int) -> Sample:
        where = f"{side.prefix}/api/2.0/mlflow-artifacts/artifacts?path={quote(roots[side.name] + '/folder')}"
        return Sample.latency(closed_loop(side.target, [[side.target.encode(Request("GET", where))] * 10]))

    for side in bench.sides:
        closed_loop(side.target, [[_put(side, roots, f"folder/{at}", b"%d" % at * 2000) for at in range(50)]])
    return [
        Case("upload 200 MB", "MB/s", large_up, 1.3),
        Case("download 200 MB", "MB/s", large_down, 6),
        Case("files of 10 kB up, 1 client", "files/s", up(1), 5),
        Case("files of 10 kB up, 8 clients", "files/s", up(8), 15),
        Case("files of 10 kB down, 1 client", "files/s", down(1), 8),
        Case("files of 10 kB down, 8 clients", "files/s", down(8), 30),
        Case("list a folder of 50", "ms", listed, 4, less_is_better=True),
        Case("a folder of 1,000 files of 10 kB, by each one's client", "files/s", _folder(roots, size), 5),
        Case("the same folder again", "files/s", _folder(roots, size, again=True), 100),
    ]


def _root(side: Side) -> str:
    """Where a run's files are, below the root of artifacts."""
    run = side.run(side.experiment(f"files {time.time()}"))
    found: str = side.get(f"runs/get?run_id={run}")["run"]["info"]["artifact_uri"]
    return found.removeprefix("mlflow-artifacts:/")


def _put(side: Side, roots: dict[str, str], name: str, body: bytes) -> bytes:
    where = f"{side.prefix}/api/2.0/mlflow-artifacts/artifacts/{roots[side.name]}/{name}"
    return side.target.encode(Request("PUT", where, body))


def _get(side: Side, roots: dict[str, str], name: str) -> bytes:
    where = f"{side.prefix}/api/2.0/mlflow-artifacts/artifacts/{roots[side.name]}/{name}"
    return side.target.encode(Request("GET", where))


def _folder(roots: dict[str, str], size: Size, *, again: bool = False) -> Measure:
    """Ours asks which hashes are missing and sends packs, MLflow's sends one file after the other, each time."""

    def measure(side: Side, number: int) -> Sample:
        if side.name != "ours":
            count = size.folder // 5
            work = [_put(side, roots, f"whole{number}/{at}", os.urandom(size.small)) for at in range(count)]
            return Sample.rate(closed_loop(side.target, [work]))
        client = Client(f"http://127.0.0.1:{side.target.port}", side.known["token"])
        with tempfile.TemporaryDirectory() as folder:
            places = [Path(folder, str(at)) for at in range(size.folder)]
            for place in places:
                place.write_bytes(os.urandom(size.small))
            door = f"{workspace_path(side.known['workspace'])}/blobs"
            taken = 0.0
            for _ in range(2 if again else 1):
                begin = time.perf_counter()
                send(client, door, [local_file(place.name, place) for place in places])
                taken = time.perf_counter() - begin
        return Sample(size.folder / taken)

    return measure
