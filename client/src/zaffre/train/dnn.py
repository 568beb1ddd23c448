"""Estimators that bring a framework, and how their processes belong together."""

from __future__ import annotations

from typing import Any, Optional

from zaffre.absent import absent_class
from zaffre.core.runconfig import MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
from zaffre.train.estimator import Estimator

__all__ = ["Chainer", "Gloo", "Mpi", "Nccl", "ParameterServer", "PyTorch", "TensorFlow"]

Mpi = MpiConfiguration
Chainer = absent_class(
    "Chainer", "Chainer is not made any more.", "Take an Estimator, and name what the script needs in pip_packages."
)


class PyTorch(Estimator):
    """An estimator with torch and torchvision."""

    brings = ("torch", "torchvision")


class TensorFlow(Estimator):
    """An estimator with tensorflow."""

    brings = ("tensorflow",)


class ParameterServer(TensorflowConfiguration):
    """Workers, and servers that hold the parameters."""

    def __init__(self, worker_count: Any = 1, parameter_server_count: Any = 1) -> None:
        super().__init__(worker_count, parameter_server_count)


class Gloo(PyTorchConfiguration):
    """One process on each node, joined over TCP."""

    def __init__(self, process_count: Optional[Any] = None, node_count: Any = 1) -> None:
        super().__init__("Gloo", process_count, node_count)


class Nccl(PyTorchConfiguration):
    """One process on each node, joined by NCCL."""

    def __init__(self, process_count: Optional[Any] = None, node_count: Any = 1) -> None:
        super().__init__("Nccl", process_count, node_count)
