"""The providers that this installation has."""

from collections.abc import Callable
from functools import cache

from django.conf import settings

from workspace.compute.providers.interface import Provider, ProviderError
from workspace.compute.providers.kubernetes import Pods
from workspace.compute.providers.process import Processes

#: Providers of rooms that are built on this one, by name, as their apps told.
_MORE: dict[str, Callable[[], Provider]] = {}


def add_provider(name: str, make: Callable[[], Provider]) -> None:
    """Another room's provider; called when the app of that room is ready."""
    _MORE[name] = make


@cache
def providers() -> dict[str, Provider]:
    """By name. Those that need a setting are there when it has one."""
    found: dict[str, Provider] = {
        "process": Processes(settings.VAR_DIR / "nodes", hidden=settings.SERVER_SECRETS),
    }
    if settings.KUBERNETES_NAMESPACE:
        found["kubernetes"] = Pods(namespace=settings.KUBERNETES_NAMESPACE, image=settings.KUBERNETES_IMAGE)
    return found | {name: make() for name, make in _MORE.items()}


def provider_named(name: str) -> Provider:
    """Raises ProviderError that says what is missing."""
    found = providers().get(name)
    if found is None:
        raise ProviderError(f"This studio has no provider {name!r}: there are {', '.join(sorted(providers()))}.")
    return found
