"""What the small studio of these tests knows of a run."""

from dataclasses import dataclass, field
from typing import Any

FINAL = {"completed", "failed", "canceled"}


@dataclass
class FakeRun:
    id: str
    config: dict[str, Any]
    files: list[dict[str, Any]]
    environment: dict[str, Any]
    inputs: dict[str, Any]
    status: str = "queued"
    attempt: int = 0
    desired: str = "run"
    token: str = ""
    nonce: str = ""
    lease_until: float = 0.0
    log: bytes = field(default=b"", repr=False)  # some have hundreds of megabytes, which no failure should spell out
    log_complete: bool = False
    #: (offset, what was told of when and by which stream) of each piece.
    marks: list[tuple[int, str]] = field(default_factory=list)
    skipped: int = 0
    steps: list[dict[str, Any]] = field(default_factory=list)
    points: list[Any] = field(default_factory=list)
    samples: list[Any] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
