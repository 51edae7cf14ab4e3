"""One tenant's cache."""

from abc import ABC


class Cache(ABC):  # noqa: B024
    """One tenant's cache."""
