"""Runs with files, a log and points, by the doors where it matters."""

from tests.runs.telemetry import make_run, running  # noqa: F401 - fixtures
