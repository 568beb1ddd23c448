"""A real sshd on 127.0.0.1 with keys, a home and a PATH of its own; whoever runs the tests is its only user."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if Path("/usr/sbin/sshd").exists() else "")
MISSING = "" if SSHD and shutil.which("ssh-keygen") else "sshd is not installed (openssh-server)"


@dataclass
class Sshd:
    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def key(self, name: str = "id", passphrase: str = "") -> str:
        """The text of a private key that is let in; made at the first call."""
        path = self.folder / name
        if not path.exists():
            self._keygen(path, passphrase)
            with (self.folder / "authorized_keys").open("a") as file:
                file.write(path.with_suffix(".pub").read_text())
        return path.read_text()

    def stranger(self) -> str:
        """The text of a private key that is not let in."""
        path = self.folder / "stranger"
        if not path.exists():
            self._keygen(path, "")
        return path.read_text()

    @property
    def fingerprint(self) -> str:
        told = subprocess.run(["ssh-keygen", "-lf", str(self.folder / "host")], capture_output=True, text=True)
        return told.stdout.split()[1]

    def new_host_key(self) -> None:
        for path in (self.folder / "host", self.folder / "host.pub"):
            path.unlink(missing_ok=True)
        self._keygen(self.folder / "host", "")

    @staticmethod
    def _keygen(path: Path, passphrase: str) -> None:
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
        subprocess.run(words, check=True, capture_output=True)

    def start(self) -> None:
        path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host'}",
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            f"PidFile {self.folder / 'sshd.pid'}",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "MaxStartups 100",
            "Subsystem sftp internal-sftp",
            # Packages come from this machine's cache of uv where it has them.
            f"SetEnv HOME={self.home} PATH={path} UV_CACHE_DIR={_cache()}",
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "sshd.log").open("ab") as log:
            words = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                    if line.recv(4).startswith(b"SSH-"):
                        return
            except OSError:
                pass
            said = (self.folder / "sshd.log").read_text()
            assert self.process.poll() is None and time.monotonic() < end, said
            time.sleep(0.05)

    def stop(self) -> None:
        """It and the sessions that it has: like a machine that is switched off, less the agent."""
        if self.process is None:
            return
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGTERM)
        self.process.terminate()
        self.process.wait(10)
        self.process = None


def _cache() -> str:
    uv = Path(sys.executable).parent / "uv"
    return subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Sshd(folder, port)
    made.home.mkdir(exist_ok=True)
    (folder / "authorized_keys").touch()
    made.new_host_key()
    made.start()
    try:
        yield made
    finally:
        made.stop()
