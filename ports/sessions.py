"""One tenant's sessions."""

from abc import ABC


class SessionStore(ABC):  # noqa: B024
    """One tenant's sessions."""
