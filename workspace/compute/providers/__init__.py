"""What starts and stops the machines of nodes. One small interface, one module for each kind of machine."""

from workspace.compute.providers.interface import Machine, Order, Provider, ProviderError
from workspace.compute.providers.registry import add_provider, provider_named, providers

__all__ = ["Machine", "Order", "Provider", "ProviderError", "add_provider", "provider_named", "providers"]
