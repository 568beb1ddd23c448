from tests.runs.telemetry import make_run, running  # noqa: F401 - fixtures of this folder
