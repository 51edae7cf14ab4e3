"""Flows kept at hand, in front of any authoring store: in this process, and in the shared cache.

What may be read late, and by how much, is said in `adapters.cached.flow_cache`.
"""

from adapters.cached.flow_cache import FlowCache, FlowCacheStats
from adapters.cached.invalidation import FlowCacheInvalidation
from adapters.cached.store import CachedAuthoringStore

__all__ = ["CachedAuthoringStore", "FlowCache", "FlowCacheInvalidation", "FlowCacheStats"]
