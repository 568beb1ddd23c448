"""A warm interpreter: what a run needs first is loaded in it, and each run is a fork of it.

It executes nobody's code: its children do. One child is the supervisor of an attempt, and a fork of that becomes the
script, so that the tree of processes is the same as without a warm parent. That child is there before it is asked for,
and hears the control socket in its parent's place. What comes over it is the path of a run's folder; tokens and
variables are read by the child, so nothing of one run is ever in the parent.

It must run on every Python that an environment may have, from 3.9 on, and needs the standard library only.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import io
import json
import os
import select
import signal
import site
import socket
import sys
import time
import types
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional, Sequence, Tuple

from zaffre.agent import finish

#: What scripts and the SDK import in most runs.
_USUAL = (
    "argparse",
    "base64",
    "collections.abc",
    "concurrent.futures",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "email.parser",
    "enum",
    "functools",
    "glob",
    "hashlib",
    "heapq",
    "hmac",
    "http.client",
    "importlib.metadata",
    "inspect",
    "itertools",
    "json",
    "logging",
    "math",
    "mimetypes",
    "numbers",
    "operator",
    "os.path",
    "pathlib",
    "platform",
    "queue",
    "random",
    "re",
    "select",
    "shutil",
    "socket",
    "ssl",
    "statistics",
    "string",
    "struct",
    "subprocess",
    "tempfile",
    "textwrap",
    "threading",
    "traceback",
    "typing",
    "unicodedata",
    "urllib.parse",
    "urllib.request",
    "uuid",
    "warnings",
    "weakref",
    "zipfile",
    "zlib",
)
#: Only in the node's own interpreter, where urllib3 is the one that its runs get.
_SDK = ("urllib3", "zaffre.core", "zaffre.context", "zaffre.core.run", "zaffre.recorder", "zaffre.sending")

#: Started as `python -c BOOT HANDLE SDK PACKAGE OWN GROUPS`: the script is run from here, where nothing is below it.
BOOT = """
import sys, zaffre
zaffre.__path__.append(sys.argv[3])
from zaffre.agent import zygote
launch = zygote.serve(int(sys.argv[1]), own=sys.argv[4] == "own", package=sys.argv[3], groups=sys.argv[5])
if launch is not None:
    zygote.run(launch)
"""

_kept: List[Any] = []
#: From a child to its parent: it was asked; the agent has gone.
_ASKED, _OVER = b"a", b"o"
#: Between two children of which the first ended without a word: something is wrong with this machine.
_PAUSE_SECONDS = 0.5
#: Within this time of another run's start its code need not wait to enter a group.
_CROWD_SECONDS = 0.1
#: How long the start of a run is left alone before the child for the next one is made.
_START_SECONDS = 0.05


def serve(handle: int, *, own: bool, package: str, groups: str) -> Optional[Dict[str, Any]]:
    """Have a child ready for everybody who asks. Returns what to become in one, None when the agent has gone."""
    # Here and not above: the fork that becomes a script forgets this module first.
    from zaffre.agent import cord as cords
    from zaffre.agent import groups as control_groups
    from zaffre.agent import supervise

    for name in (*_USUAL, *(_SDK if own else ())):
        with suppress(Exception):
            importlib.import_module(name)
    control = socket.socket(fileno=handle)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel collects supervisors that have ended
    gc.collect()
    gc.freeze()  # what is here now is shared by all forks, and no collection shall copy it
    where = control_groups.again(json.loads(groups))
    control_groups.sweep(where)
    entry = control_groups.entry() if where is not None else None
    asked = 0.0
    while True:
        hearing, saying = os.pipe()
        if os.fork() == 0:
            os.close(hearing)
            control_groups.make_spare(where)
            folder, handle = _await(control, saying)
            launch = _supervise(folder, supervise.supervise, cords.Cord(socket.socket(fileno=handle)))
            return {**launch, "own": own, "package": package}
        os.close(saying)
        said = os.read(hearing, 1)
        os.close(hearing)
        if said == _OVER:
            return None
        if said != _ASKED:
            control_groups.sweep(where)
            time.sleep(_PAUSE_SECONDS)
        elif time.monotonic() > asked + _CROWD_SECONDS:
            control_groups.hurry(entry)  # the run's code is about to enter one
            select.select([control], [], [], _START_SECONDS)  # the processors are its, unless the next run is there
        asked = time.monotonic()


def _await(control: socket.socket, saying: int) -> Tuple[str, int]:
    """The child that is ready: waits until it is asked for; (the run's folder, its end of the cord)."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked = b""
    with suppress(OSError):
        asked, handles, _, _ = socket.recv_fds(control, 4096, 2)
    with suppress(OSError):  # a parent that was killed hears nothing; what follows does not need it
        os.write(saying, _ASKED if asked else _OVER)
    if not asked:
        _leave(0)
    os.close(saying)
    control.close()
    return os.fsdecode(asked), handles[0]


def _supervise(folder: str, supervise: Any, cord: Any) -> Dict[str, Any]:
    """Be the supervisor of the attempt in `folder`; returns in the fork that becomes its code."""
    os.chdir(folder)
    said = os.open("supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(said)
    try:
        found = supervise(folder, cord, warm=True)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        _leave(1)
    if isinstance(found, int):
        _leave(found)
    return dict(found)


def _leave(status: int) -> NoReturn:
    from zaffre.agent import groups

    groups.drop_spare()
    sys.stderr.flush()
    os._exit(status)


def run(launch: Dict[str, Any]) -> None:
    """Become the script, as if its interpreter had just been started with it."""
    argv: List[str] = list(launch["argv"])
    gate = launch["gate"]
    _close_strays(gate.handles)
    _take_environment(launch["env"])
    sys.argv = argv[1:]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = argv
    script = os.path.abspath(argv[1])
    newest = _take_path(argv[0], script, launch)
    status = _execute(script)
    finish.end(status, newest)
    sys.exit(status)


def _execute(script: str) -> int:
    """The script as the main module, from its first line to its last; returns the exit code of its interpreter."""
    main = types.ModuleType("__main__")
    vars(main).update(
        __file__=script, __builtins__=builtins, __cached__=None, __loader__=SourceFileLoader("__main__", script)
    )
    _kept.append(sys.modules["__main__"])
    sys.modules["__main__"] = main
    try:
        with io.open_code(script) as file:
            code = compile(file.read(), script, "exec", dont_inherit=True)
        exec(code, vars(main))  # noqa: S102 - that is what was asked for
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return int(error.code or 0)
        if sys.stderr is not None:
            sys.stderr.write(f"{error.code}\n")
        return 1
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        trace = error.__traceback__.tb_next if error.__traceback__ else None  # the way to the script is not its
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 1
    return 0


def _close_strays(kept: Sequence[int]) -> None:
    """Close what a supervisor has open; it would keep its locks and pipes alive, and users could write to it."""
    gc.collect()  # objects that own a handle close it now, and not later when it is somebody else's
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with suppress(OSError):
                os.close(int(name))


def _take_environment(env: Dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(env)
    time.tzset()


def _take_path(python: str, script: str, launch: Dict[str, Any]) -> str:
    """The search path and the modules that a fresh interpreter would have; returns the newest of the parent's own."""
    package = launch["package"]
    mine = [name for name in sys.modules if name == "zaffre.agent" or name.startswith("zaffre.agent.")]
    for name in mine:
        _kept.append(sys.modules.pop(name))
    zaffre = sys.modules["zaffre"]
    zaffre.__path__.remove(package)
    vars(zaffre).pop("agent", None)
    searched = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    known = sys.path[1:]  # without "", which `-c` puts there
    sys.path[:] = [entry for entry in known if entry not in (launch.get("sdk"), *searched)]
    if not launch["own"]:
        _forget_packages()
    newest = finish.mark()
    launch["gate"].wait()  # what follows may execute users' code
    launch["gate"].close()
    if not launch["own"]:
        _adopt(python)
    sys.path[:0] = [str(Path(script).parent), *searched]
    importlib.invalidate_caches()
    if not launch["own"] or len(searched) > 1:
        for name in ("sitecustomize", "usercustomize"):
            sys.modules.pop(name, None)
        site.execsitecustomize()
    return newest


def _forget_packages() -> None:
    """What was loaded from the packages of the interpreter that an environment was made from."""
    base = {str(Path(entry)) for entry in site.getsitepackages()}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if name.startswith(("sysconfig", "_sysconfigdata")) or any(_below(file, folder) for folder in base):
            _kept.append(sys.modules.pop(name))
    sys.path[:] = [entry for entry in sys.path if not any(_below(entry, folder) for folder in base)]


def _adopt(python: str) -> None:
    """Turn the interpreter that an environment was made from into that environment's, without packages of its own."""
    sys.meta_path[:] = [one for one in sys.meta_path if getattr(one, "__module__", "").startswith("_frozen")]
    sys.executable = python
    site.PREFIXES[:] = [sys.prefix, sys.exec_prefix]
    site.venv(site.removeduppaths())


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)


def words(python: str, handle: int, *, sdk: str, package: str, own: bool, groups: Any) -> Sequence[str]:
    """The command that starts one. `groups` as `Groups.told`, None where there are none."""
    return [python, "-c", BOOT, str(handle), sdk, package, "own" if own else "other", json.dumps(groups)]
