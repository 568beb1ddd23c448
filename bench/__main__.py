"""`python -m bench`: ours beside MLflow's current server, round by round, with the limits of the machine."""

import argparse
from pathlib import Path

from bench import files, harness, ingest, reads
from bench.servers import standing

#: The tables, by their letters in docs/benchmarks.md.
TABLES = {
    "A": lambda bench: ingest.cases(bench, ingest.Size()),
    "B": lambda bench: reads.cases(bench, reads.Size()),
    "C": lambda bench: files.cases(bench, files.Size()),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default=",".join(TABLES), help="tables, with commas")
    parser.add_argument("--match", default="", help="rows whose text has this")
    parser.add_argument("--no-peer", action="store_true", help="ours alone, while working on it")
    parser.add_argument("--out", type=Path, default=Path("var/bench.json"))
    asked = parser.parse_args()
    if unknown := set(asked.only.split(",")) - set(TABLES):
        parser.error(f"there is no table {', '.join(sorted(unknown))}")
    about = harness.machine()
    print(f"{about}\n", flush=True)
    with standing(peer=not asked.no_peer) as bench:
        rows = []
        for name in asked.only.split(","):
            print(f"\n{name}\n{harness.HEAD}", flush=True)
            chosen = [case for case in TABLES[name](bench) if asked.match in case.what]
            rows += harness.measure(bench, name, chosen, asked.rounds)
        if "A" in asked.only:
            print(f"\n{ingest.stored(bench):,} points are stored here.")
    harness.keep(rows, asked.rounds, about, asked.out)


if __name__ == "__main__":
    main()
