"""The states of deployments and replicas, as values."""

TRANSITIONING, HEALTHY, UNHEALTHY, RETIRED = "transitioning", "healthy", "unhealthy", "retired"
WAITING, STARTING, READY, STOPPED = "waiting", "starting", "ready", "stopped"
#: Of both.
FAILED = "failed"
#: What a node may say of a replica.
REPORTED = (STARTING, READY, FAILED, STOPPED)
