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
    Curated(
        name="minimal",
        description="A Python of its own with nothing but what the SDK needs.",
        spec=EnvironmentSpec(kind="pip", python=None, requirements=[]),
    ),
    Curated(
        name="tabular",
        description="Tables and gradient boosting: pandas, pyarrow, LightGBM, XGBoost and scikit-learn.",
        spec=EnvironmentSpec(
            kind="pip",
            python=None,
            requirements=[
                "lightgbm==4.7.0",
                "pandas==3.1.1",
                "pyarrow==26.0.1",
                "scikit-learn==1.9.1",
                "xgboost-cpu==3.2.0",
            ],
        ),
    ),
    Curated(
        name="tensorboard",
        description="TensorBoard and its writer of event files, without TensorFlow.",
        spec=EnvironmentSpec(kind="pip", python=None, requirements=["tensorboard==2.21.0", "tensorboardx==2.6.5"]),
    ),
)
