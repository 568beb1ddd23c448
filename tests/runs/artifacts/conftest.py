from tests.runs.telemetry import app, make_run, running  # noqa: F401 - fixtures of this folder
