"""Execution contexts in memory."""

from adapters.memory.repository import MemoryRepository
from domain.contexts import ExecutionContext
from ports.contexts import ContextRepository


class MemoryContextRepository(MemoryRepository[ExecutionContext], ContextRepository):
    """Execution contexts."""
