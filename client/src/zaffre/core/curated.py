"""Environments that the original service kept ready, which scripts ask for by name: what is installed for each."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Optional, Tuple

if TYPE_CHECKING:
    from zaffre.core.environment import Environment

#: What all but the smallest held.
_USUAL = ("azureml-mlflow", "joblib", "matplotlib", "numpy", "pandas", "scikit-learn")
#: A word of the name → packages; the first that is found in it counts.
_BY_WORD: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    ("minimal", ()),
    ("pytorch", (*_USUAL, "tensorboard", "torch", "torchvision")),
    ("tensorflow", (*_USUAL, "tensorboard", "tensorflow")),
    ("lightgbm", (*_USUAL, "lightgbm")),
    ("xgboost", (*_USUAL, "xgboost-cpu")),
    ("sklearn", _USUAL),
    ("scikit", _USUAL),
    ("tutorial", _USUAL),
)


def stand_in(name: str) -> "Optional[Environment]":
    """An environment of this name, not registered yet, with the newest packages of its kind; None for another name."""
    from zaffre.core.environment import Environment

    word = name.lower()
    found = next((packages for one, packages in _BY_WORD if one in word), None)
    if not word.startswith("azureml-") or found is None:
        return None
    made = Environment(name)
    for one in found:
        made.python.conda_dependencies.add_pip_package(one)
    told = f"the newest of {', '.join(found)}" if found else "nothing but the SDK"
    warnings.warn(
        f"There is no environment {name!r}: its packages were for Pythons of then. A new one of this name stands in "
        f"for it, with {told}.",
        UserWarning,
        stacklevel=3,
    )
    return made
