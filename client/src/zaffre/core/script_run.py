"""ScriptRun, where scripts import it from: a run that was submitted is a Run like any other."""

from zaffre.core.run import Run as ScriptRun

__all__ = ["ScriptRun"]
