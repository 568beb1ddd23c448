"""ResourceConfiguration, which scripts give to models: read and kept by nobody here."""

from __future__ import annotations

from typing import Optional


class ResourceConfiguration:
    """Processors, memory and graphics processors; how much a deployment gets is said when it is deployed."""

    def __init__(
        self, cpu: Optional[float] = None, memory_in_gb: Optional[float] = None, gpu: Optional[int] = None
    ) -> None:
        self.cpu, self.memory_in_gb, self.gpu = cpu, memory_in_gb, gpu

    def __repr__(self) -> str:
        return f"ResourceConfiguration(cpu={self.cpu}, memory_in_gb={self.memory_in_gb}, gpu={self.gpu})"
