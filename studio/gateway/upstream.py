"""One replica as the gateway sees it: its connections, and how many requests it has."""

import asyncio

import aiohttp

#: Shorter than the replica's own patience (75 s): a connection that it is about to close is not used.
KEEP_ALIVE = 30.0
CONNECT_SECONDS = 2.0
SHUN_SECONDS = 2.0


class Upstream:
    """Opened at its first request, closed when it left the table and has no request any more."""

    def __init__(self, replica: str, address: str) -> None:
        self.id, self.address = replica, address
        self.outstanding = 0
        #: When it may be asked again after it could not be reached.
        self.shunned_until = 0.0
        self._retired = False
        self._session: aiohttp.ClientSession | None = None

    @property
    def base(self) -> str:
        return "http://replica" if self.address.startswith("unix:") else self.address

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Without a limit: the gate counts, and a queue in here would be one that nobody sees.
            if self.address.startswith("unix:"):
                path = self.address.removeprefix("unix:")
                connector: aiohttp.BaseConnector = aiohttp.UnixConnector(path, limit=0, keepalive_timeout=KEEP_ALIVE)
            else:
                connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session

    def shun(self) -> None:
        self.shunned_until = asyncio.get_running_loop().time() + SHUN_SECONDS

    def begin(self) -> None:
        self.outstanding += 1

    async def end(self) -> None:
        self.outstanding -= 1
        if self._retired and not self.outstanding:
            await self.close()

    async def retire(self) -> None:
        """It left the table: close once its last request is answered."""
        self._retired = True
        if not self.outstanding:
            await self.close()

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
