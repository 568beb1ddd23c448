"""How much the gateway takes: the sizes and times of one request, and how many may be inside at once."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from studio.gateway.refusals import Refused
from zaffre.protocol import MAX_SCORE_BODY

MAX_BODY = MAX_SCORE_BODY
#: Seconds for sending the body, and from the whole body to the end of the answer.
BODY_SECONDS = 30.0
ANSWER_SECONDS = 60.0
#: Requests that one replica may have before it and in it. Beyond it, waiting only makes everybody late.
QUEUE = 64
#: After a refusal this much more is read, so that the sender sees the answer and not a reset.
LINGER = 1024 * 1024
LINGER_SECONDS = 5.0


class Gate:
    """Counts the requests inside, endpoint by endpoint."""

    def __init__(self, queue: int = QUEUE) -> None:
        self._queue = queue
        self._inside: Counter[str] = Counter()

    @contextmanager
    def enter(self, name: str, *, replicas: int) -> Iterator[None]:
        """Be counted while inside. Raises Refused 429 when the endpoint is full."""
        if self._inside[name] >= self._queue * max(1, replicas):
            raise Refused(
                429,
                "too_many",
                f"{self._inside[name]} requests are waiting at this endpoint already.",
                hint="Send fewer at once, or deploy with more replicas.",
                headers={"Retry-After": "1"},
            )
        self._inside[name] += 1
        try:
            yield
        finally:
            self._inside[name] -= 1
            if not self._inside[name]:
                del self._inside[name]
