"""Checking where a machine is and how to log in. No error holds a password, a key or a passphrase."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key
from django.utils.translation import gettext as _

from studio.kernel.errors import Invalid

MOST_SLOTS = 64
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?\Z")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.@-]{0,63}\Z")


def clean_host(host: str) -> str:
    host = host.strip().removeprefix("ssh://").rstrip("/")
    if not _HOST.match(host):
        raise Invalid(_("The address is a host name or an IP address, such as gpu-box.local."), field="address")
    return host.lower()


def clean_user(name: str) -> str:
    if not _USER.match(name.strip()):
        raise Invalid(_("The user name is the account to log in with, such as ubuntu."), field="username")
    return name.strip()


def clean_port(port: object, *, field: str, most: int = 65535) -> int:
    """A whole number from 1, also as text. Raises Invalid."""
    text = str(port).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most):
        raise Invalid(_("%(field)s is a number from 1 to %(most)s.") % {"field": field, "most": most}, field=field)
    return int(text)


def clean_key(key: str, passphrase: str) -> str:
    """The private key as OpenSSH reads it. Raises Invalid for what is none, and for the wrong passphrase."""
    text = key.strip().replace("\r\n", "\n") + "\n"
    if "PRIVATE KEY-----" not in text:
        public = text.startswith(("ssh-", "ecdsa-"))
        told = _("This is a public key.") if public else _("This is no private key.")
        hint = _("Give the content of a file such as ~/.ssh/id_ed25519; puttygen exports one as OpenSSH key.")
        raise Invalid(told, hint=hint, field="private_key")
    load = load_ssh_private_key if "OPENSSH PRIVATE KEY" in text else load_pem_private_key
    try:
        load(text.encode(), passphrase.encode() or None)
    except TypeError:
        needed, needless = _("The key has a passphrase: give it."), _("The key has no passphrase: leave it empty.")
        told = needless if passphrase else needed
        raise Invalid(told, field="private_key_passphrase") from None
    except UnsupportedAlgorithm:
        raise Invalid(
            _("This kind of key is not supported."), hint=_("Use ed25519, ECDSA or RSA."), field="private_key"
        ) from None
    except ValueError:
        if passphrase:
            raise Invalid(_("The passphrase does not open the key."), field="private_key_passphrase") from None
        raise Invalid(
            _("The private key is incomplete or damaged."), hint=_("Copy it whole."), field="private_key"
        ) from None
    return text


def posted_way(form: Mapping[str, str]) -> dict[str, str]:
    """How to log in, of a page's form, which may hold a value for the way that was not chosen."""
    way = ("password",) if form.get("way") == "password" else ("private_key", "private_key_passphrase")
    return {key: form.get(key, "") for key in way}


def clean_studio_url(url: str) -> str:
    """Where the machine finds the studio; raises Invalid."""
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(url) > 300:
        raise Invalid(_("The studio's address is one such as https://studio.example.org."), field="studio_url")
    return url
