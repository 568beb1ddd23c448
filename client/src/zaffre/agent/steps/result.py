"""Step result: the studio learns the end, last of all, however long it takes."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List

from zaffre.agent.clock import aging
from zaffre.agent.door import Refused
from zaffre.agent.notes import in_english
from zaffre.agent.steps.collect import Collect, one_by_one
from zaffre.agent.steps.step import Step


class Result(Step):
    state = "finalizing"

    def start(self) -> None:
        kept = self.job.place.outcome
        assert kept is not None, "the outcome is kept before the closing steps"
        outcome = dict(kept)
        steps, _ = self.job.teller.take()
        failed_at = outcome.pop("failed_at", None)
        if failed_at is not None:  # how long ago: the clocks of nodes differ
            outcome["ago"] = max(0.0, time.time() - failed_at)
        report = aging({**outcome, "steps": steps})
        try:
            if self.job.last_words and self._told_together(report, steps):
                return
            self.job.ask("POST", "/result", report)
        except Refused as error:
            # 409 and 422 are answers too: the studio has its end, and ours will not become another.
            if error.status not in (409, 422):
                raise

    def _told_together(self, report: Callable[[], Dict[str, Any]], steps: List[Dict[str, Any]]) -> bool:
        """Tell the result with all that was left to be told; if one of it is refused, send the rest alone."""
        try:
            self.job.ask("POST", "/finish", lambda: {**report(), **self.job.last_words}, new=True)
            return True
        except Refused:
            said = one_by_one(self.job)
        for step in steps:
            if step["name"] == Collect.name and step["state"] == "done":
                step["note"], step["said"] = in_english(said), said
        return False
