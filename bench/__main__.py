"""`python -m bench`: ours beside MLflow's current server, round by round, with the limits of the machine."""

import argparse
import contextlib
import os
from pathlib import Path

from bench import charts, files, harness, ingest, live, pages, reads, submitting
from bench.servers import standing

#: The tables, by their letters in docs/benchmarks.md.
TABLES = {
    "A": lambda bench: ingest.cases(bench, ingest.Size()),
    "B": lambda bench: [*reads.cases(bench, reads.Size()), *charts.series(bench)],
    "C": lambda bench: files.cases(bench, files.Size()),
    "D": submitting.cases,
    "G": live.cases,
    "H": lambda bench: [*pages.cases(bench), *charts.frames(bench)],
}
#: Tables whose peer is not MLflow: what it is called, and what stands while they are measured.
OTHERS = {"D": (submitting.PEER, submitting.beside), "G": (live.PEER, live.beside)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default=",".join(TABLES), help="tables, with commas")
    parser.add_argument("--match", default="", help="rows whose text has this")
    parser.add_argument("--no-peer", action="store_true", help="ours alone, while working on it")
    parser.add_argument("--out", type=Path, default=Path("var/bench.json"))
    asked = parser.parse_args()
    # Many images set it. Who starts processes, as `mlflow run` does, would compile all that they import each time.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if unknown := set(asked.only.split(",")) - set(TABLES):
        parser.error(f"there is no table {', '.join(sorted(unknown))}")
    about = harness.machine()
    print(f"{about}\n", flush=True)
    names = asked.only.split(",")
    with standing(peer=not asked.no_peer and set(names) != {"G"}) as bench:
        rows = []
        for name in names:
            peer, beside = OTHERS.get(name, ("MLflow", contextlib.nullcontext))
            alone = asked.no_peer and name != "D"  # whose node is ours
            with contextlib.nullcontext(bench) if alone else beside(bench) as both:
                print(f"\n{name}\n{harness.head(peer)}", flush=True)
                chosen = [case for case in TABLES[name](both) if asked.match in case.what]
                rows += harness.measure(both, name, chosen, asked.rounds)
        if "A" in asked.only:
            print(f"\n{ingest.stored(bench):,} points are stored here.")
    harness.keep(rows, asked.rounds, about, asked.out)


if __name__ == "__main__":
    main()
