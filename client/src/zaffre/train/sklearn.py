"""SKLearn: an estimator with scikit-learn."""

from __future__ import annotations

from zaffre.train.estimator import Estimator

__all__ = ["SKLearn"]


class SKLearn(Estimator):
    """An estimator with scikit-learn and what models are written with."""

    brings = ("scikit-learn", "joblib")
