"""What a run sees of this machine, kept by bubblewrap: its own folders, its environment, read-only system folders.

It has its own processes, IPC and /tmp. The network is the machine's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

_SECONDS = 10.0
#: Of /etc, what programs need; the rest may hold secrets of the machine.
_ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "locale.alias",
    "locale.conf",
    "machine-id",
    "magic",
    "mime.types",
    "nsswitch.conf",
    "OpenCL",
    "openmpi",
    "os-release",
    "passwd",
    "pki",
    "protocols",
    "python3",
    "redhat-release",
    "resolv.conf",
    "services",
    "ssl",
    "timezone",
    "vulkan",
)
#: Files that change while a run lives: these are shown as they are, of the others it has copies.
_LIVING = ("hosts", "resolv.conf")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/snap")
#: Programs ask the machine's shape of these; nothing in them can be written.
_SYS = ("/sys/devices", "/sys/bus", "/sys/class", "/sys/dev", "/sys/module")
_GPU_DEVICES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps")


@dataclass(frozen=True)
class View:
    """What one run sees. All paths are the same inside and outside."""

    #: Read and write.
    own: Tuple[Path, ...]
    #: Read only.
    shared: Tuple[Path, ...] = ()
    #: What is /tmp for it.
    tmp: Optional[Path] = None
    #: The numbers of its GPUs.
    gpus: Tuple[str, ...] = ()

    def told(self) -> Dict[str, Any]:
        """It as JSON."""
        return {
            "own": [str(path) for path in self.own],
            "shared": [str(path) for path in self.shared],
            "tmp": str(self.tmp) if self.tmp else None,
            "gpus": list(self.gpus),
        }


def view_of(told: Mapping[str, Any]) -> View:
    """The view that `told` spells, as `View.told` does."""
    tmp = told.get("tmp")
    return View(
        own=tuple(map(Path, told["own"])),
        shared=tuple(map(Path, told["shared"])),
        tmp=Path(tmp) if tmp else None,
        gpus=tuple(map(str, told["gpus"])),
    )


def binary() -> Optional[str]:
    return shutil.which("bwrap") if sys.platform.startswith("linux") else None


def words(bwrap: str, view: View, handles: List[int]) -> List[str]:
    """bubblewrap's command line for a view, without the program to start in it.

    `handles` gets those that it is started with; the caller closes them. Raises OSError.
    """
    said = [bwrap, "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL"]
    for folder in _SYSTEM:
        if os.path.islink(folder):
            said += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            said += ["--ro-bind", folder, folder]
    for name in _ETC:
        file = f"/etc/{name}"
        if name not in _LIVING and os.path.isfile(file) and os.access(file, os.R_OK):
            # Each mount reads the list of all others: a copy of what is small costs a tenth of it.
            handles.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
            said += ["--file", str(handles[-1]), file]
        else:
            said += ["--ro-bind-try", file, file]
    for folder in _SYS:
        said += ["--ro-bind-try", folder, folder]
    said += ["--proc", "/proc", "--dev", "/dev"]
    if view.gpus:
        for device in [*_GPU_DEVICES, *(f"nvidia{number}" for number in view.gpus)]:
            said += ["--dev-bind-try", f"/dev/{device}", f"/dev/{device}"]
    if view.tmp is not None:
        said += ["--bind", str(view.tmp), "/tmp"]  # noqa: S108 - its own, and nobody else's
    for kind, paths in (("--ro-bind", view.shared), ("--bind", view.own)):
        for path in paths:
            said += [kind, str(path), str(path)]
    return [*said, "--remount-ro", "/"]


def works(bwrap: str, folder: Path) -> bool:
    """Whether a program really starts in a sandbox of ours, and what lies outside is really hidden from it."""
    place = folder / "probe"
    handles: List[int] = []
    try:
        for path in (place / "own", place / "other"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        test = f"test -d '{place}/own' && test ! -e '{place}/other' && test -r /proc/self/stat"
        view = View(own=(place / "own",), tmp=place / "own")
        asked = [*words(bwrap, view, handles), "--", "/bin/sh", "-c", test]
        done = subprocess.run(
            asked,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            cwd="/",
            pass_fds=handles,
        )
        return done.returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
    finally:
        for handle in handles:
            os.close(handle)
        shutil.rmtree(str(place), ignore_errors=True)


def prefixes_of(python: str) -> Sequence[Path]:
    """The folders that an interpreter needs besides the system's: its environment, and what that was made from."""
    folders = [Path(python).absolute().parent.parent]
    try:
        for line in (folders[0] / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home":
                folders.append(Path(value.strip()).parent)
    except OSError:
        pass
    folders.append(Path(os.path.realpath(python)).parent.parent)
    kept: List[Path] = []
    for folder in folders:
        if folder not in kept and str(folder) not in ("/", "/usr") and folder.is_dir():
            kept.append(folder)
    return kept
