"""The packaged example, done once through the doors that users have: the `zaffre` command and nothing else."""

import json
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.stack import steps
from studio.stack.plan import ROOT, SERVER_SECRETS, Plan
from studio.stack.programs import StackError, environment
from studio.stack.report import say

EXAMPLE = ROOT / "examples" / "quickstart"
EXPERIMENT, MODEL, ENDPOINT, DATASET = "quickstart", "digits-classifier", "digits", "digits"


@dataclass(frozen=True)
class Answer:
    text: str
    run_url: str


async def run_once(plan: Plan) -> Answer | None:
    """Do the example unless it was done on this folder; None when there was nothing to do or it failed.

    A failure is told with what the command said, and the next start tries again: the studio itself stands.
    """
    stamp = plan.var / "demo.json"
    if stamp.exists():
        return None
    print("\n  The example, with the commands that you would type in examples/quickstart:\n", flush=True)
    try:
        answer = await _run(plan)
    except StackError as problem:
        say(f"The example stopped: {problem}")
        say("The studio runs; the example is tried again at the next start.")
        return None
    stamp.write_text(json.dumps({"answer": answer.text, "run": answer.run_url}))
    return answer


async def _run(plan: Plan) -> Answer:
    await zaffre(plan, "dataset", "create", DATASET, "data")
    words = ["run", "submit", "--experiment", EXPERIMENT, "--target", "local", "--environment", "sklearn"]
    words += ["--input", f"digits={DATASET}", "--follow", "--", "train.py", "--epochs", "12"]
    run = await zaffre(plan, *words)
    if run.get("status") != "completed":
        reason = (run.get("reason") or {}).get("message") or "see its log"
        raise StackError(f"the run ended as {run.get('status')}: {reason} ({run.get('url')})")
    model = await zaffre(plan, "model", "register", MODEL, "--run", run["id"], "--path", "outputs/model.joblib")
    which = f"{MODEL}:{model['version']}"
    words = ["endpoint", "deploy", ENDPOINT, "--model", which, "--source", ".", "--entry", "score.py"]
    await zaffre(plan, *words, "--environment", "sklearn", "--wait")
    answer = await zaffre(plan, "endpoint", "score", ENDPOINT, "--data", "@row.json")
    return Answer(text=json.dumps(answer), run_url=str(run.get("url") or ""))


def _indent(line: str) -> None:
    print(f"             {line}", flush=True)


async def zaffre(plan: Plan, *words: str) -> Any:
    """Run one command as a user would, in the example's folder; return the JSON that it printed."""
    env = environment({"ZAFFRE_VAR": str(plan.var)}, hidden=SERVER_SECRETS)
    at = words.index("--") if "--" in words else len(words)
    argv = [str(Path(sys.executable).parent / "zaffre"), *words[:at], "--json", *words[at:]]
    say(f"$ zaffre {shlex.join(words)}")
    begun = time.monotonic()
    out = await steps.run_to_end(
        argv, env=env, cwd=EXAMPLE, echo=lambda line: print(f"             {line}", flush=True)
    )
    say(f"  done ({time.monotonic() - begun:.1f} s)")
    try:
        return json.loads(out)
    except ValueError:
        raise StackError(f"`zaffre {shlex.join(words)}` printed no JSON but: {out.strip()[-500:]}") from None
