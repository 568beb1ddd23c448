"""A gate at which a script waits: a socket, because a run may see no file of the test's."""

import socket


class Gate:
    """The script connects to `port` and reads: it goes on when the gate is opened, or closed."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.settimeout(60)
        self.port: int = self._door.getsockname()[1]

    def open(self) -> None:
        """Let the one who waits, or comes within a minute, go on."""
        visitor, _ = self._door.accept()
        visitor.close()

    def close(self) -> None:
        self._door.close()
