"""Reading settings from the environment, failing loudly when a value cannot be meant."""

import ipaddress
import os
from contextlib import suppress
from pathlib import Path

SHORTEST_SECRET = 32
#: How the names of variables begin that a node must never see: it talks to the studio through its HTTP door only.
SERVER_SECRETS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "SECRET_KEY_FILE", "ZAFFRE_KEY_RING", "ZAFFRE_KEK_")


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


def envnetworks(name: str, default: str) -> list[str]:
    """Networks such as 10.0.0.0/8; one that is none would be found out at the first connection only."""
    found = envlist(name, default)
    for one in found:
        try:
            ipaddress.ip_network(one, strict=False)
        except ValueError:
            raise BadSetting(f"{name}: {one!r} is no network. Write them as 10.0.0.0/8,fc00::/7.") from None
    return found


def envkeys(prefix: str) -> dict[str, str]:
    """{id: text} of the variables that begin with `prefix`."""
    return {name.removeprefix(prefix): text for name, text in os.environ.items() if name.startswith(prefix) and text}


def envsecret(name: str, file: Path) -> str:
    """Return the secret in variable `name`, in the file `<name>_FILE` names, or in `file`.

    Raises BadSetting when none of the three holds one, or a short one: there is no default secret.
    """
    source = Path(os.environ.get(f"{name}_FILE", file))
    value = os.environ.get(name, "")
    if not value:
        with suppress(OSError):
            value = source.read_text().strip()
    if len(value) < SHORTEST_SECRET:
        raise BadSetting(
            f"No {name}, or one that can be guessed: put at least {SHORTEST_SECRET} random characters into the "
            f"environment or into {source} (`make up` makes that file by itself)."
        )
    return value
