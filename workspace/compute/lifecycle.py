"""The states of an instance, and the words of the reference for them. No Django."""

CREATING, STARTING, RUNNING, RESTARTING = "creating", "starting", "running", "restarting"
STOPPING, STOPPED, FAILED = "stopping", "stopped", "failed"
#: On the way up, and without a machine that takes runs.
COMING = (CREATING, STARTING)
DOWN = (STOPPING, STOPPED, FAILED)

_WORDS = {
    CREATING: "Creating",
    STARTING: "Starting",
    RUNNING: "Running",
    RESTARTING: "Restarting",
    STOPPING: "Stopping",
    STOPPED: "Stopped",
    FAILED: "CreateFailed",
}


def word_of(state: str, *, busy: bool) -> str:
    """The word of the Azure ML SDK v1 for a state."""
    return "JobRunning" if state == RUNNING and busy else _WORDS.get(state, "Unknown")
