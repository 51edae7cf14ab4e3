"""One tenant's locks."""

from abc import ABC


class Locks(ABC):  # noqa: B024
    """One tenant's locks."""
