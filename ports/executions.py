"""One tenant's execution states."""

from abc import ABC


class ExecutionStore(ABC):  # noqa: B024
    """One tenant's execution states."""
