"""Where the studio is and who asks: what was typed, the environment, a login, or the studio of this host.

A token goes to the studio it was given for and to no other: an address that a project's config file
names gets a token only from the login with that same address.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional
from urllib.parse import urlsplit

from zaffre import protocol
from zaffre.errors import ConfigError

ENV_PROFILE = "ZAFFRE_PROFILE"
ENV_VAR = "ZAFFRE_VAR"
DEFAULT_PROFILE = "default"
#: In this order, from a folder up to the root.
CONFIG_FILES = (".zaffre/config.json", ".azureml/config.json", "config.json")
_HOW = "Run `zaffre login URL`, or set ZAFFRE_URL and ZAFFRE_TOKEN."


@dataclass(frozen=True)
class Login:
    """An address, its token, and the workspace that is meant when none is named. `source` says whence."""

    url: str
    token: str
    workspace: str
    source: str

    def __repr__(self) -> str:
        return f"Login({self.url!r}, workspace={self.workspace!r}, from {self.source})"  # never the token


def login_file() -> Path:
    return Path.home() / ".zaffre" / "config.json"


def clean_url(text: str) -> str:
    """The address of a studio as it is kept. Raises ConfigError for what is none."""
    found = text.strip()
    if "://" not in found:
        found = f"http://{found}" if found.split(":")[0] in ("localhost", "127.0.0.1") else f"https://{found}"
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{text!r} is no address of a studio.", hint="It looks like https://studio.example.org.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("The address of a studio holds no user, password or query.")
    return found.rstrip("/")


def find_login(
    *,
    url: Optional[str] = None,
    token: Optional[str] = None,
    workspace: Optional[str] = None,
    profile: Optional[str] = None,
    trusted: bool = True,
) -> Login:
    """The login that counts. Raises ConfigError that says what is missing and what to do.

    Without `url`: ZAFFRE_URL, $ZAFFRE_VAR/studio.json, the login (`profile`, ZAFFRE_PROFILE or the current
    one), then var/studio.json of this folder, its parents, or the folder of this Python environment.
    `trusted=False` when `url` was read from a file that somebody else may have written: ZAFFRE_TOKEN alone
    is not sent there.
    """
    known = list(_logins(profile))
    if url is None and profile is None and os.environ.get(protocol.ENV_URL):
        url = os.environ[protocol.ENV_URL]
    if url is None:
        if not known:
            raise ConfigError("No studio is known.", hint=_HOW, code="no_login")
        chosen = known[0]
    else:
        chosen = _at(clean_url(url), known)
    given = token or _environment_token(chosen.url, explicit=url is not None and trusted) or chosen.token
    if not given:
        raise ConfigError(
            f"There is no token for {chosen.url}.", hint=f"Run `zaffre login {chosen.url}`.", code="no_token"
        )
    return Login(
        chosen.url,
        given,
        workspace or os.environ.get(protocol.ENV_WORKSPACE) or chosen.workspace,
        chosen.source,
    )


def _at(url: str, known: List[Login]) -> Login:
    for one in known:
        if one.url == url:
            return one
    return Login(url, "", "", "the address that was given")


def _environment_token(url: str, *, explicit: bool) -> str:
    """ZAFFRE_TOKEN, or the token of the run that this code belongs to, when it is meant for `url`."""
    named = os.environ.get(protocol.ENV_URL, "").rstrip("/")
    if named != url and (named or not explicit):
        return ""
    return os.environ.get(protocol.ENV_TOKEN, "") or os.environ.get(protocol.ENV_RUN_TOKEN, "")


def _logins(profile: Optional[str]) -> Iterator[Login]:
    """Every login of this machine's user, the one that counts first."""
    wanted = profile or os.environ.get(ENV_PROFILE)
    profiles = read_profiles()
    if wanted:
        if wanted not in profiles.get("profiles", {}):
            raise ConfigError(
                f"There is no login {wanted!r} in {login_file()}.", hint=f"Run `zaffre login URL --profile {wanted}`."
            )
        yield _from_profile(profiles, wanted)
        return
    if os.environ.get(ENV_VAR):
        yield from _from_studio_file(Path(os.environ[ENV_VAR]) / "studio.json")
    names = profiles.get("profiles", {})
    current = profiles.get("current")
    for name in sorted(names, key=lambda one: (one != current, one)):
        yield _from_profile(profiles, name)
    here = Path.cwd()
    # The environment that `make up` made lies beside var/: its `zaffre` works from every folder.
    for folder in [here, *here.parents, Path(sys.prefix).parent]:
        yield from _from_studio_file(folder / "var" / "studio.json")


def _from_profile(profiles: Mapping[str, Any], name: str) -> Login:
    found = profiles["profiles"][name]
    return Login(
        str(found.get("url", "")).rstrip("/"),
        str(found.get("token", "")),
        str(found.get("workspace") or ""),
        f"the login {name!r}",
    )


def _from_studio_file(path: Path) -> Iterator[Login]:
    """What the studio of this host left for its owner; a file of somebody else is not believed."""
    try:
        if os.getuid() != 0 and path.stat().st_uid not in (os.getuid(), 0):
            return
        found = json.loads(path.read_text(encoding="utf-8"))
        yield Login(str(found["url"]).rstrip("/"), str(found["token"]), str(found.get("workspace") or ""), str(path))
    except (OSError, ValueError, KeyError, TypeError):
        return


# --- the login file --------------------------------------------------------------------------------------


def read_profiles() -> Dict[str, Any]:
    """{current, profiles: {name: {url, token, workspace}}}; empty without a file. Raises ConfigError."""
    path = login_file()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", hint="Repair or remove it, then log in again.") from None
    if not isinstance(found, dict) or not isinstance(found.get("profiles", {}), dict):
        raise ConfigError(f"{path} is no file of logins.", hint="Remove it, then log in again.")
    return found


def keep_profile(name: str, *, url: str, token: str, workspace: str) -> Path:
    """Store a login and make it the current one, readable by this user only; returns the file."""
    known = read_profiles()
    profiles = {**known.get("profiles", {}), name: {"url": url, "token": token, "workspace": workspace}}
    path = login_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, {"current": name, "profiles": profiles})
    return path


def write_private(path: Path, value: Any) -> None:
    """Replace `path` with `value` as JSON, mode 600: a reader sees the old or the new, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(str(temporary), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
        os.replace(str(temporary), str(path))
    except OSError:
        temporary.unlink()
        raise


# --- a workspace's config.json ----------------------------------------------------------------------------


def find_workspace_file(path: Optional[str] = None) -> "tuple[Optional[Path], List[Path]]":
    """(the file that names a workspace, the places that were searched), from `path` or here up to the root."""
    start = Path(path).expanduser().absolute() if path else Path.cwd()
    if start.is_file():
        return start, [start]
    searched = []
    for folder in [start, *start.parents]:
        for name in CONFIG_FILES:
            candidate = folder / name
            searched.append(candidate)
            if _names_a_workspace(candidate):
                return candidate, searched
    return None, searched


def read_workspace_file(path: Path) -> Dict[str, str]:
    """{workspace_name, url} of a config file; `url` may be missing. Raises ConfigError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.") from None
    if not isinstance(found, dict) or not isinstance(found.get("workspace_name"), str):
        raise ConfigError(f"{path} names no workspace.", hint='It holds {"workspace_name": "…", "url": "…"}.')
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _names_a_workspace(path: Path) -> bool:
    """False for the login file, which has the same name in the home folder, and for other programs' config.json."""
    try:
        return '"workspace_name"' in path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
