"""What others see of a studio while one run floods it."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from uuid import uuid4

import psutil

from tests.stack.running import Studio

#: The promise is one second; a machine that also runs other tests gets some more.
P95 = 2.0
#: Bytes that the web process may grow by.
MEMORY = 300_000_000


@dataclass
class Bystander:
    """A person who reads and logs elsewhere, some times a second: `with Bystander(studio) as other`."""

    studio: Studio
    took: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    before: int = 0
    peak: int = 0

    def __enter__(self) -> "Bystander":
        body = {"experiment": "bystander", "kind": "interactive", "config": {}}
        made = self.studio.ask("POST", f"{self.studio.ws}/runs", body, headers={"Idempotency-Key": str(uuid4())})
        assert made.status == 201, made.body
        self._own = f"{self.studio.ws}/runs/{made.json['id']}"
        self._web = psutil.Process(self.studio.pid("web"))
        self.before = self._memory()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="bystander")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        ended = self.studio.ask("POST", f"{self._own}/end", {"status": "completed", "message": ""})
        assert ended.status in {200, 202}, ended.body

    @property
    def p95(self) -> float:
        """Seconds that an answer took."""
        return sorted(self.took)[int(len(self.took) * 0.95)]

    def require_peace(self) -> None:
        """Every call was answered, and soon; the web process stayed as it was."""
        assert len(self.took) >= 20 and not self.refused, self.refused
        grown = self.peak - self.before
        said = f"{len(self.took)} calls, p95 {self.p95 * 1000:.0f} ms, web {grown / 1e6:+.0f} MB"
        print(said)
        assert self.p95 < P95 and grown < MEMORY, said

    def _memory(self) -> int:
        family = [self._web, *self._web.children(recursive=True)]
        return sum(one.memory_info().rss for one in family)

    def _look(self) -> None:
        number = 0
        while not self._over.wait(0.1):
            number += 1
            point = {"batch": uuid4().hex, "points": [["x", 1.0, number, 0]]}
            for method, path, body in (
                ("GET", f"{self.studio.ws}/runs", None),
                ("POST", f"{self._own}/metrics", point),
            ):
                begun = time.monotonic()
                answer = self.studio.ask(method, path, body)
                self.took.append(time.monotonic() - begun)
                if answer.status >= 300:
                    self.refused.append(answer.status)
            self.peak = max(self.peak, self._memory())
