"""One machine over SSH: its key, logging in, looking, copying, starting, watching, removing. No database.

What goes wrong is a `Trouble`; of what the machine said it holds the end of our own scripts' output and nothing else.
"""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncssh
from django.conf import settings

from workspace.attached import guard, scripts
from workspace.attached.places import Place, Trouble

CONNECT_SECONDS, LOGIN_SECONDS, SCRIPT_SECONDS, INSTALL_SECONDS = 10.0, 20.0, 60.0, 900.0
#: Half seconds for the agent to end its runs before it is killed.
PATIENCE = 60

Say = Callable[[str], None]


@asynccontextmanager
async def _told(place: Place) -> AsyncIterator[str]:
    """The address to connect to; what can go wrong on the way as a Trouble."""
    try:
        yield await guard.address_of(place.host, place.port)
    except guard.Refused:
        raise Trouble("forbidden_network") from None
    except asyncssh.HostKeyNotVerifiable:
        raise Trouble("host_key_changed") from None
    except asyncssh.PermissionDenied:
        raise Trouble("denied") from None
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise Trouble("bad_key") from None
    except TimeoutError:
        raise Trouble("no_answer", again=True) from None
    except ConnectionRefusedError:
        raise Trouble("connection_refused", again=True) from None
    except asyncssh.Error as error:
        raise Trouble("no_ssh", type(error).__name__, again=True) from None
    except OSError as error:
        raise Trouble("unknown_host" if not error.errno or error.errno < 0 else "no_route", again=True) from None


async def host_key(place: Place) -> str:
    """The key that the machine shows, in OpenSSH's text; nothing is sent to it. Raises Trouble."""
    async with _told(place) as address:
        wait = asyncssh.get_server_host_key(address, place.port, config=None)
        key = await asyncio.wait_for(wait, CONNECT_SECONDS)
        if key is None:
            raise Trouble("no_ssh", again=True)
        return str(key.export_public_key().decode().strip())
    raise AssertionError


async def connect(place: Place, trusted: str) -> asyncssh.SSHClientConnection:
    """Log in to the machine that has the key `trusted`, and no other. Raises Trouble."""
    keys = [asyncssh.import_private_key(place.key, place.passphrase or None)] if place.key else []
    async with _told(place) as address:
        return await asyncssh.connect(
            address,
            place.port,
            # Nothing of the studio's own account: no agent, no keys, no configuration.
            config=None,
            agent_path=None,
            gss_host=None,
            username=place.username,
            client_keys=keys or None,
            password=place.password or None,
            preferred_auth="publickey" if place.key else "password,keyboard-interactive",
            known_hosts=([asyncssh.import_public_key(trusted)], [], []),
            connect_timeout=CONNECT_SECONDS,
            login_timeout=LOGIN_SECONDS,
            keepalive_interval=10,
            keepalive_count_max=3,
        )
    raise AssertionError


class Machine:
    """A machine that we are logged in to."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self.connection = connection

    async def run(
        self, script: str, *, seconds: float = SCRIPT_SECONDS, say: Say | None = None, **words: object
    ) -> tuple[int, str]:
        """(exit status, end of the output) of a script; `say` gets each line. Raises Trouble."""
        lines: list[str] = []
        size = 0
        try:
            async with asyncio.timeout(seconds):
                process = await self.connection.create_process("sh -s", stderr=asyncssh.STDOUT)
                process.stdin.write(scripts.with_words(script, **words))
                process.stdin.write_eof()
                async for line in process.stdout:
                    text = "".join(one for one in line.rstrip() if one.isprintable())[:2000]
                    lines.append(text)
                    size += len(text)
                    while size > scripts.MOST_OUTPUT:
                        size -= len(lines.pop(0))
                    if say:
                        say(text)
                done = await process.wait()
        except TimeoutError:
            raise Trouble("script_hangs", again=True) from None
        except (asyncssh.Error, OSError, UnicodeDecodeError) as error:
            raise Trouble("connection_lost", type(error).__name__, again=True) from None
        return (done.exit_status if done.exit_status is not None else -1), "\n".join(lines)

    async def look(self) -> dict[str, Any]:
        """{python, version, home, uv, free, host, writable}. Raises Trouble."""
        status, out = await self.run(scripts.LOOK)
        if status == 41:
            raise Trouble("no_python", out.splitlines()[-1] if out else "")
        try:
            found = json.loads(out.splitlines()[-1])
        except (ValueError, IndexError):
            raise Trouble("no_shell", out[-500:]) from None
        if not found["writable"]:
            raise Trouble("no_home", found["home"])
        return dict(found)

    async def copy(self, folder: str, files: dict[str, bytes]) -> None:
        """Write files into the private folder, which is made. Raises Trouble."""
        try:
            async with asyncio.timeout(SCRIPT_SECONDS * 2), self.connection.start_sftp_client() as sftp:
                await sftp.makedirs(folder, attrs=asyncssh.SFTPAttrs(permissions=0o700), exist_ok=True)
                await sftp.chmod(folder, 0o700)
                for name, content in files.items():
                    path = f"{folder}/{name}"
                    if "/" in name:
                        await sftp.makedirs(path.rpartition("/")[0], exist_ok=True)
                    # Never for a moment readable by others, and never half.
                    with suppress(asyncssh.SFTPNoSuchFile):
                        await sftp.remove(f"{path}.new")
                    async with sftp.open(f"{path}.new", "xb", attrs=asyncssh.SFTPAttrs(permissions=0o600)) as file:
                        data = io.BytesIO(content)
                        while piece := data.read(256 * 1024):
                            await file.write(piece)
                    await sftp.posix_rename(f"{path}.new", path)
        except TimeoutError:
            raise Trouble("script_hangs", again=True) from None
        except asyncssh.SFTPError as error:
            raise Trouble("no_copy", type(error).__name__) from None
        except (asyncssh.Error, OSError) as error:
            raise Trouble("connection_lost", type(error).__name__, again=True) from None

    async def install(self, folder: str, wheel: str, found: dict[str, Any], mark: str, *, say: Say) -> None:
        """Install the wheel that was copied. Raises Trouble with the end of what the installer said."""
        words = {"folder": folder, "wheel": wheel, "mark": mark, "python": found["python"], "uv": found["uv"]}
        status, out = await self.run(scripts.INSTALL, seconds=INSTALL_SECONDS, say=say, **words)
        if status == 42:
            raise Trouble("no_venv", out[-1500:])
        if status:
            raise Trouble("install_failed", out[-1500:])

    async def start(self, folder: str) -> None:
        status, out = await self.run(scripts.START, folder=folder)
        if status:
            raise Trouble("start_failed", out[-1500:], again=True)

    async def watch(self, folder: str) -> tuple[str, str, str]:
        """(alive, dead or gone; the id of the node, empty until it has one; the end of its log). Raises Trouble."""
        _, out = await self.run(scripts.WATCH, folder=folder)
        state, _, rest = out.partition("\n")
        node, _, tail = rest.partition("\n")
        return state.strip() or "gone", "" if node.strip() == "-" else node.strip()[:26], tail[-1500:]

    async def remove(self, folder: str) -> None:
        """Stop the agent and remove its folder. Raises Trouble when something is left."""
        seconds = PATIENCE / 2 + SCRIPT_SECONDS
        status, out = await self.run(scripts.REMOVE, seconds=seconds, folder=folder, patience=PATIENCE)
        if status:
            raise Trouble("not_removed", out[-500:], again=True)

    async def release(self, folder: str, *, patience: int = PATIENCE) -> None:
        """Stop the agent and remove all but the client. Raises Trouble when something is left."""
        seconds = PATIENCE / 2 + SCRIPT_SECONDS
        status, out = await self.run(scripts.RELEASE, seconds=seconds, folder=folder, patience=patience)
        if status:
            raise Trouble("not_removed", out[-500:], again=True)

    async def forward(self, wanted: int, host: str, port: int) -> int:
        """Let the machine reach `host:port` by a port of its own, `wanted` if it is not 0. Raises Trouble."""
        try:
            listener = await self.connection.forward_remote_port("127.0.0.1", wanted, host, port)
        except (asyncssh.Error, OSError):
            raise Trouble("no_forwarding", str(wanted or ""), again=bool(wanted)) from None
        return int(listener.get_port())

    async def way_to_studio(self, url: str, before: int | None) -> tuple[str, int | None]:
        """(address, forwarded port) at which the machine finds the studio: `url`, or without one a port of its own.

        That is the one of `before` when it had one, because its agent knows the studio by it. Raises Trouble.
        """
        if url:
            return url, before
        host, _, port = settings.SSH_FORWARD.rpartition(":")
        got = await self.forward(before or 0, host.strip("[]"), int(port))
        return f"http://127.0.0.1:{got}", got

    def close(self) -> None:
        self.connection.close()
