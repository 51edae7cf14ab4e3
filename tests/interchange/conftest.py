"""Platforms to take tenants from and to bring them to."""

from tests.bootstrap.conftest import clean_surroundings, on_servers, tenant

__all__ = ["clean_surroundings", "on_servers", "tenant"]
