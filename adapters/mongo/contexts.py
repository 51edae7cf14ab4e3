"""Execution contexts in MongoDB."""

from typing import ClassVar

from adapters.mongo.collections import CONTEXTS, Collection
from adapters.mongo.repository import MongoRepository
from domain.contexts import ExecutionContext
from ports.contexts import ContextRepository


class MongoContextRepository(MongoRepository[ExecutionContext], ContextRepository):
    """Execution contexts."""

    collection: ClassVar[Collection] = CONTEXTS
