"""One tenant's rate limits."""

from abc import ABC


class RateLimiter(ABC):  # noqa: B024
    """One tenant's rate limits."""
