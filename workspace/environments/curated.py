"""Environments that every workspace has from its first minute.

Small on purpose: a node downloads one at its first use. Exact versions, so that a run of today can be
repeated; they install on the Pythons that the studio supports (3.11 and later).
"""

from dataclasses import dataclass

from zaffre.protocol import EnvironmentSpec


@dataclass(frozen=True, slots=True)
class Curated:
    name: str
    description: str
    spec: EnvironmentSpec


CURATED = (
    Curated(
        name="system",
        description="The node's own Python with what is installed there. Starts at once.",
        spec=EnvironmentSpec(kind="system"),
    ),
    Curated(
        name="sklearn",
        description="scikit-learn with matplotlib for pictures and joblib for model files.",
        spec=EnvironmentSpec(
            kind="pip",
            python=None,
            requirements=["joblib==1.6.0", "matplotlib==3.11.2", "scikit-learn==1.9.1"],
        ),
    ),
)
