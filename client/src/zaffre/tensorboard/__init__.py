"""TensorBoard for runs: `Tensorboard` shows their event files, `export` writes their metrics as such.

Imported with the root `zaffre` in the place of `azureml`: `from zaffre.tensorboard import Tensorboard`.
"""

from __future__ import annotations

from zaffre.tensorboard.local import Tensorboard

__all__ = ["Tensorboard"]
