from tests.runs.telemetry import app, code, make_run, person, running  # noqa: F401 - fixtures of this folder
