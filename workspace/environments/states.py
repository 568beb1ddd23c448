"""The states of a build: `queued`, `running` on a node, then one of the others, which stay."""

QUEUED, RUNNING = "queued", "running"
SUCCEEDED, FAILED, CANCELED = "succeeded", "failed", "canceled"
FINAL = (SUCCEEDED, FAILED, CANCELED)
#: What a node may say.
REPORTED = (RUNNING, *FINAL)
