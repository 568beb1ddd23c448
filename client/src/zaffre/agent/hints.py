"""The node's ear on its pool's queue: a Celery worker whose tasks do nothing but wake the agent.

Whoever can write to the queue can only make the agent ask the studio. All that is lost without a
broker is time: the agent asks by itself, too.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Dict

from zaffre.protocol import SYNC_TASK, WAKE_TASK

log = logging.getLogger("zaffre.agent")

#: Celery speaks of every lost connection with a traceback; one line of ours is enough.
_NOISY = ("celery.worker.consumer.consumer", "kombu", "celery.redirected")
#: And of every hint with two lines, when "claimed" says what came of it.
_TALKATIVE = ("celery.worker.strategy", "celery.app.trace")


class Hints:
    """A Celery worker in a thread of this process, with the solo pool."""

    def __init__(
        self,
        broker: Dict[str, str],
        *,
        node: str,
        wake: Callable[[str, int, str], object],
        sync: Callable[[], object],
    ) -> None:
        self.broker, self.node = broker, node
        self.wake, self.sync = wake, sync
        self._worker: Any = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hints worker", daemon=True)

    def start(self) -> None:
        """Begin to listen. Without a broker, or without the `agent` extra, the long poll alone has to do."""
        if not self.broker.get("url"):
            log.info("this node has no broker; it asks for work by itself")
            return
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        worker = self._worker
        if worker is not None and self._thread.is_alive():
            from celery.worker import state

            state.should_stop = 0  # type: ignore[assignment]  # the consumer's loop looks at it every second
            self._thread.join(5.0)

    def _run(self) -> None:
        try:
            app = self._app()
        except ImportError:
            log.warning("Celery is not installed (pip install 'zaffre[agent]'); the node asks for work by itself")
            return
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        while not self._end.is_set():
            try:
                self._worker = app.WorkController(
                    pool_cls="solo",
                    concurrency=1,
                    hostname=f"node-{self.node}",
                    queues=[self.broker.get("queue", "celery")],
                    without_mingle=True,
                    without_gossip=True,
                    without_heartbeat=True,
                    quiet=True,
                )
                self._worker.start()
            except (SystemExit, KeyboardInterrupt):
                log.debug("the hints worker was told to end")
            except Exception as error:
                log.warning("the broker cannot be used: %s", error)
            self._end.wait(5.0)

    def _app(self) -> Any:
        from celery import Celery
        from kombu import Queue

        app = Celery("zaffre-node", set_as_current=False, fixups=[])
        queue = self.broker.get("queue", "celery")
        app.conf.update(
            broker_url=broker_url(self.broker["url"]),
            broker_transport_options={
                "global_keyprefix": self.broker.get("prefix", ""),
                # The library gives up a read after 5 s by default, and this one waits for work.
                "socket_timeout": None,
                "socket_connect_timeout": 5,
                "socket_keepalive": True,
                "health_check_interval": 25,
            },
            broker_connection_retry=True,
            broker_connection_retry_on_startup=True,
            broker_connection_max_retries=None,
            task_queues=[Queue(queue, durable=True)],
            task_default_queue=queue,
            task_create_missing_queues=False,
            task_serializer="json",
            accept_content=["json"],
            task_acks_late=False,
            task_ignore_result=True,
            task_track_started=False,
            # No limit: with one, a message whose acknowledgement was lost with the connection counts for ever,
            # and the worker reads nothing more. How many wait is bounded by the studio.
            worker_prefetch_multiplier=0,
            worker_enable_remote_control=False,
            worker_send_task_events=False,
            worker_hijack_root_logger=False,
            worker_redirect_stdouts=False,
            worker_cancel_long_running_tasks_on_connection_loss=False,
        )

        @app.task(name=WAKE_TASK, bind=False)
        def wake(run: Any = "", attempt: Any = 0, ticket: Any = "") -> None:
            if isinstance(run, str) and isinstance(ticket, str) and isinstance(attempt, int):
                self.wake(run, attempt, ticket)

        @app.task(name=SYNC_TASK, bind=False)
        def sync() -> None:
            self.sync()

        app.finalize()
        return app


def broker_url(url: str) -> str:
    """A Redis address in Celery's spelling: unix:///x.sock becomes redis+socket:///x.sock."""
    if not url.startswith("unix://"):
        return url
    return "redis+socket://" + url[len("unix://") :].replace("?db=", "?virtual_host=").replace("&db=", "&virtual_host=")
