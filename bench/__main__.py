"""`python -m bench`: ours beside MLflow's current server, round by round, with the limits of the machine."""

import argparse
from pathlib import Path

from bench import harness, ingest
from bench.servers import standing


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="A,B,C,G", help="tables, with commas")
    parser.add_argument("--match", default="", help="rows whose text has this")
    parser.add_argument("--no-peer", action="store_true", help="ours alone, while working on it")
    parser.add_argument("--out", type=Path, default=Path("var/bench.json"))
    asked = parser.parse_args()
    about = harness.machine()
    print(f"{about}\n", flush=True)
    with standing(peer=not asked.no_peer) as bench:
        tables = {"A": lambda: ingest.cases(bench, ingest.Size())}
        rows = []
        for name in asked.only.split(","):
            print(f"\n{name}\n{harness.HEAD}", flush=True)
            chosen = [case for case in tables[name]() if asked.match in case.what]
            rows += harness.measure(bench, name, chosen, asked.rounds)
    harness.keep(rows, asked.rounds, about, asked.out)


if __name__ == "__main__":
    main()
