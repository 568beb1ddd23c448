"""A run that says its first point and line, waits for a tag, and says the rest: what an open page missed of it."""

#: The step of the last point that the chart of the page holds.
LAST = "() => document.querySelector('live-chart[key=loss]')?.x?.at(-1)"


def script(points: int, lines: int) -> str:
    """It logs `loss` and prints `line N`; after the first of each it waits until its run has the tag `go`."""
    return f"""
import time
from zaffre.core import Run

run = Run.get_context()
run.log("loss", 1.0, step=0)
print("line 0", flush=True)
while not run.get_tags().get("go"):
    time.sleep(0.1)
for step in range(1, {points}):
    run.log("loss", 1 / (step + 1), step=step)
for line in range(1, {lines}):
    print("line", line)
"""


def has_lines(count: int) -> str:
    """A condition of the page: its log holds so many of them."""
    held = "document.querySelector('log-tail').held.filter((one) => one.startsWith('line '))"
    return f"() => {held}.length === {count}"
