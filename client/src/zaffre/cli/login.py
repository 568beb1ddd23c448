"""zaffre login URL"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any
from urllib.parse import urlsplit

from zaffre.cli.common import add_flags, note, tell
from zaffre.errors import ConfigError, UserErrorException


def add(nouns: Any) -> None:
    text = "Remember a studio and a personal token of yours, which the page of your account makes."
    parser = nouns.add_parser("login", help=text, description=text)
    parser.add_argument("address", nargs="?", metavar="URL", help="such as https://studio.example.org")
    parser.add_argument("--token-stdin", action="store_true", help="read the token from standard input")
    add_flags(parser)
    parser.set_defaults(handle=_login)


def _login(options: argparse.Namespace) -> int:
    from zaffre import config, protocol
    from zaffre.transport import Client

    given = options.address or options.url or os.environ.get(protocol.ENV_URL) or _address()
    if not given:
        raise ConfigError("Which studio?", hint="zaffre login https://studio.example.org")
    url = config.clean_url(given)
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        note(f"zaffre: {url} is not encrypted: the token can be read on the way.")
    me = Client(url, token := _token(options, url), patience=10).get("/api/v1/me")
    mine = [one["slug"] for one in me["workspaces"]]
    chosen = options.workspace or (mine[0] if mine else "")
    if options.workspace and options.workspace not in mine:
        raise ConfigError(f"You are no member of {options.workspace}.", hint=f"Yours: {', '.join(mine) or 'none'}.")
    profile = options.profile or os.environ.get(config.ENV_PROFILE) or config.DEFAULT_PROFILE
    file = config.keep_profile(profile, url=url, token=token, workspace=chosen)
    name = me["user"]["username"]
    value = {"url": url, "username": name, "workspace": chosen, "workspaces": mine, "profile": profile}
    others = f" (you also have {', '.join(one for one in mine if one != chosen)})" if len(mine) > 1 else ""
    where = f"workspace {chosen}{others}" if chosen else "no workspace yet"
    tell(options, value, lambda: f"Logged in at {url} as {name}: {where}. Kept in {file}.")
    return 0


def _address() -> str:
    """What somebody at a terminal answers; empty when nobody can be asked."""
    if not sys.stdin.isatty():
        return ""
    sys.stderr.write("Address of the studio: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _token(options: argparse.Namespace, url: str) -> str:
    """From standard input, ZAFFRE_TOKEN, or a prompt that does not show it; never from the words, which others see."""
    from getpass import getpass

    from zaffre import protocol

    if options.token_stdin:
        token = sys.stdin.readline()
    elif os.environ.get(protocol.ENV_TOKEN):
        token = os.environ[protocol.ENV_TOKEN]
    elif sys.stdin.isatty():
        note(f"Make a token on the page {url}/account and paste it here.")
        token = getpass("Token: ", stream=sys.stderr)
    else:
        raise UserErrorException("There is no token.", hint="Pipe it in with --token-stdin, or set ZAFFRE_TOKEN.")
    token = token.strip()
    if not token or not token.isascii() or any(char.isspace() for char in token):
        raise UserErrorException("This is no token.", hint="It looks like zaf_pat_…")
    return token
