"""Ways of logging in that scripts of the Azure ML SDK v1 name. Here a login is an address with a personal token.

`zaffre login URL` keeps it, or ZAFFRE_URL and ZAFFRE_TOKEN tell it; tenants and principals of a cloud mean nothing.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from zaffre import config


class AbstractAuthentication:
    """The login of this machine's user, or of the environment."""

    def get_authentication_header(self) -> Dict[str, str]:
        """{"Authorization": "Bearer …"} for calls of the studio's own addresses. Raises ConfigError without a login."""
        return {"Authorization": f"Bearer {self.get_token().token}"}

    def get_token(self, *scopes: str, **_: Any) -> "AccessToken":
        """The token of the login. Raises ConfigError without one."""
        return AccessToken(config.find_login().token)


class AccessToken:
    """A token; the studio ends it, not a clock of this machine."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __repr__(self) -> str:
        return "AccessToken(…)"  # never the token


class InteractiveLoginAuthentication(AbstractAuthentication):
    """Nobody is asked: `zaffre login` was the question."""

    def __init__(self, force: bool = False, tenant_id: Optional[str] = None, **_: Any) -> None:
        pass


class AzureCliAuthentication(AbstractAuthentication):
    """The same login as every other."""

    def __init__(self, **_: Any) -> None:
        pass


class MsiAuthentication(AzureCliAuthentication):
    """The same login as every other."""


class ServicePrincipalAuthentication(AbstractAuthentication):
    """For machines: give a token of a technical account as ZAFFRE_TOKEN. What stands here is not used."""

    def __init__(
        self,
        tenant_id: Optional[str] = None,
        service_principal_id: Optional[str] = None,
        service_principal_password: Optional[str] = None,
        **_: Any,
    ) -> None:
        pass


class TokenAuthentication(AbstractAuthentication):
    """A token that a function gives, for calls of addresses. Workspaces are found by the login."""

    def __init__(self, get_token_for_audience: "Callable[[str], str]", **_: Any) -> None:
        self._ask = get_token_for_audience

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(self._ask(scopes[0] if scopes else ""))
