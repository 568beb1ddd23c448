"""Zaffre: the SDK of a machine-learning studio, with the module paths of the Azure ML SDK v1.

Importing it loads nothing; `zaffre.core` and its names load what they need when they are used.
"""

from zaffre._version import VERSION as __version__

__all__ = ["__version__"]
