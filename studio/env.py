"""Reading settings from the environment, failing loudly when a value cannot be meant."""

import os
from pathlib import Path


class BadSetting(Exception):
    """A variable of the environment holds something that cannot be meant."""


def envstr(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def envbool(name: str, default: bool) -> bool:
    raw = os.environ.get(name)
    if raw is None or raw == "":
        return default
    if raw.lower() in {"1", "true", "yes", "on"}:
        return True
    if raw.lower() in {"0", "false", "no", "off"}:
        return False
    raise BadSetting(f"{name}={raw!r} is neither yes nor no: use 1 or 0.")


def envfloat(name: str, default: float) -> float:
    raw = os.environ.get(name)
    if not raw:
        return default
    try:
        return float(raw)
    except ValueError:
        raise BadSetting(f"{name}={raw!r} is not a number.") from None


def envint(name: str, default: int) -> int:
    return int(envfloat(name, default))


def envlist(name: str, default: str) -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def envsecret(name: str, file: Path) -> str:
    """Return the secret in variable `name`, in the file `<name>_FILE` names, or in `file`.

    Raises BadSetting when none of the three holds one: there is no default secret.
    """
    if os.environ.get(name):
        return os.environ[name]
    source = Path(os.environ.get(f"{name}_FILE", file))
    try:
        value = source.read_text().strip()
    except OSError:
        value = ""
    if len(value) < 32:
        raise BadSetting(
            f"No {name}: set it in the environment, or put at least 32 characters into {source} "
            f"(`make up` makes that file by itself)."
        )
    return value
