"""Installing what the studio needs, each part once: a stamp beside it holds the hash of what it was made from.

Runs on the machine's bare Python, so it uses the standard library only. `python3 -m studio.stack.setup up`
installs and then becomes the supervisor; `… setup dev-tools` installs what tests and checks need as well.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from studio.stack.report import STARTED, step

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
#: Files under these names change while the studio runs and are made from nothing.
IGNORED = {"__pycache__", "dist", "node_modules"}


class SetupError(Exception):
    """A part cannot be installed; the message says which and why."""


def digest(paths: Iterable[Path], *more: str) -> str:
    """A hash of the names and contents of files (folders are walked), and of `more`."""
    total = hashlib.sha256()
    for path in paths:
        files = [path] if path.is_file() else sorted(_walk(path))
        for file in files:
            total.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode())
            total.update(file.read_bytes())
    for text in more:
        total.update(f"\0{text}".encode())
    return total.hexdigest()


def _walk(folder: Path) -> Iterable[Path]:
    for base, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in IGNORED]
        yield from (Path(base) / name for name in files)


def once(text: str, stamp: Path, state: str, make: Callable[[], None]) -> None:
    """Run `make` unless `stamp` says that it was done for `state`; the stamp is written last."""
    if stamp.exists() and stamp.read_text() == state:
        return
    with step(text):
        stamp.unlink(missing_ok=True)
        make()
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(state)


def run(*argv: str | Path, cwd: Path = ROOT, quiet: bool = True) -> None:
    """Run a command with our whole environment (certificates!). Raises SetupError with what it said."""
    words = [str(word) for word in argv]
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(VENV)}
    env |= {"UV_PYTHON_DOWNLOADS": "never", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_UPDATE_NOTIFIER": "1"}
    env.pop("PYTHONHOME", None)
    # On a terminal the installers draw their own progress; elsewhere only their failures matter.
    show = sys.stderr.isatty() and not quiet
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=env,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=None if show else subprocess.PIPE,
            stderr=None if show else subprocess.STDOUT,
            text=True,
        )
    except OSError as problem:
        raise SetupError(f"`{words[0]}` cannot be started: {problem.strerror}.") from None
    if done.returncode:
        said = "\n".join((done.stdout or "").strip().splitlines()[-25:])
        raise SetupError(f"`{' '.join(words)}` failed with exit code {done.returncode}.\n{said}".rstrip())


# --- Python ------------------------------------------------------------------------------------------------


def make_venv() -> None:
    """Create .venv and put uv into it; the rest is installed by uv."""
    if not _works(BIN / "python"):
        with step("Create .venv"):
            shutil.rmtree(VENV, ignore_errors=True)
            _create_venv()
    if not (BIN / "uv").exists():
        wanted = _pinned("uv")
        with step(f"Install {wanted}"):
            if _has_pip(Path(sys.executable)) and not (BIN / "pip").exists():
                run(sys.executable, "-m", "pip", "--python", BIN / "python", "install", "--quiet", wanted)
            else:
                run(BIN / "python", "-m", "pip", "install", "--quiet", wanted)


def _create_venv() -> None:
    # Without pip it takes a tenth of a second instead of several; ours can install into it from outside.
    if _has_pip(Path(sys.executable)):
        run(sys.executable, "-m", "venv", "--without-pip", VENV)
        return
    try:
        run(sys.executable, "-m", "venv", VENV)
    except SetupError as problem:
        raise SetupError(
            f"{problem}\nThis Python has neither pip nor a complete venv module. On Debian and Ubuntu: "
            "apt-get install python3-pip python3-venv"
        ) from None


def _works(python: Path) -> bool:
    wanted = f"{sys.version_info.major}.{sys.version_info.minor}"
    question = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        answer = subprocess.run(question, capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.returncode == 0 and answer.stdout.strip() == wanted


def _has_pip(python: Path) -> bool:
    return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def _pinned(name: str) -> str:
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        words = line.split(";")[0].split()
        if words and words[0].startswith(f"{name}=="):
            return words[0]
    raise SetupError(f"requirements.txt does not pin {name}.")


def install_packages(*, tools: bool) -> None:
    """Make .venv hold exactly one lock file (with `tools`, the larger one) and the client, editable."""
    base, dev = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
    version = sys.version.split()[0]
    client = [ROOT / "client" / "pyproject.toml"]
    stamp = VENV / "zaffre-packages"
    with_tools = "tools " + digest([dev, *client], version)
    without = "base " + digest([base, *client], version)
    held = stamp.read_text() if stamp.exists() else ""
    if held == with_tools and (tools or _is_part(base, dev)):
        return  # the larger set serves both purposes
    # Who had the tools keeps them: a start must not take them away from tests that run beside it.
    lock, state = (dev, with_tools) if tools or held.startswith("tools ") else (base, without)
    pins = sum(1 for line in lock.read_text().splitlines() if "==" in line and not line.lstrip().startswith("#"))

    def make() -> None:
        run(BIN / "uv", "pip", "sync", "--python", BIN / "python", lock, quiet=False)
        run(BIN / "uv", "pip", "install", "--python", BIN / "python", "--no-deps", "--editable", ROOT / "client")

    once(f"Install {pins} Python packages ({lock.name}) and the client", stamp, state, make)


def _is_part(base: Path, dev: Path) -> bool:
    """Whether every pin of the small lock file stands in the large one, too."""

    def pins(file: Path) -> set[str]:
        return {line.split(";")[0].strip() for line in file.read_text().splitlines() if "==" in line}

    return pins(base) <= pins(dev)


def build_client() -> None:
    """Build the client's wheel, which the studio gives to other machines under /client/."""
    folder = ROOT / "client" / "dist"

    def make() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        run(BIN / "uv", "build", "--quiet", "--wheel", "--python", BIN / "python", "--out-dir", folder, ROOT / "client")

    state = digest([ROOT / "client" / "pyproject.toml", ROOT / "client" / "README.md", ROOT / "client" / "src"])
    once("Build the client for other machines", folder / ".zaffre", state, make)


# --- pages ---------------------------------------------------------------------------------------------------


def build_pages() -> None:
    """Install the locked JavaScript packages and bundle `static/` into `static/dist`."""
    lock, package = ROOT / "package-lock.json", ROOT / "package.json"
    modules = ROOT / "node_modules"
    locked = digest([lock, package])
    ci = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error")
    once("Install the JavaScript packages (npm ci)", modules / ".zaffre", locked, lambda: run(BIN / "npm", *ci))
    sources = [path for path in sorted(ROOT.glob("vite.config.*")) if path.is_file()]
    built = digest([ROOT / "static", *sources], locked)
    stamp = ROOT / "static" / "dist" / ".zaffre"
    once("Bundle scripts and styles (vite build)", stamp, built, lambda: run(BIN / "npm", "run", "--silent", "build"))


def compile_messages() -> None:
    """Compile the catalogues of every language into the form that Django reads."""
    catalogues = sorted((ROOT / "locale").glob("*/LC_MESSAGES/*.po"))
    if not catalogues:
        return

    def make() -> None:
        for domain in sorted({path.stem for path in catalogues}):
            run(BIN / "pybabel", "--quiet", "compile", "--directory", ROOT / "locale", "--domain", domain)

    missing = "" if all(path.with_suffix(".mo").exists() for path in catalogues) else "missing"
    once("Compile the languages", VENV / "zaffre-languages", digest(catalogues) + missing, make)


# --- commands --------------------------------------------------------------------------------------------------


def prepare(*, tools: bool) -> None:
    """Install everything that is missing or out of date."""
    if sys.version_info < (3, 11):  # noqa: UP036 - somebody may well run it with an older one
        raise SetupError(f"Zaffre needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable}).")
    make_venv()
    install_packages(tools=tools)
    build_client()
    build_pages()
    compile_messages()


def main(argv: list[str]) -> int:
    command = argv[0] if argv else "base"
    if command not in {"base", "dev-tools", "up", "dev"}:
        print(f"{command!r} is not one of base, dev-tools, up, dev.", file=sys.stderr)
        return 2
    try:
        prepare(tools=command == "dev-tools")
    except SetupError as problem:
        sys.stdout.flush()
        print(f"\nThe set-up stopped: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe set-up was stopped; the next start goes on from here.", file=sys.stderr)
        return 130
    if command in {"up", "dev"}:
        os.environ["ZAFFRE_STARTED"] = str(STARTED)
        sys.stdout.flush()
        os.chdir(ROOT)
        os.execv(BIN / "python", [str(BIN / "python"), "manage.py", command])  # noqa: S606
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
