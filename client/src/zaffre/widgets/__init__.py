"""A run as it goes on, in a notebook or on a terminal."""

from zaffre.widgets.run_details import RunDetails

__all__ = ["RunDetails"]
