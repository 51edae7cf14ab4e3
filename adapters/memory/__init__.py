"""The in-memory adapter: complete, and equal to the real stores in every answer and error.

It is what unit tests run on. Entities are immutable, so they are kept and handed out as they are;
operations never wait, so that each is atomic among the tasks of a loop. Not for several threads.
"""

from adapters.memory.analytics import MemoryAnalyticsStore
from adapters.memory.clock import ManualClock
from adapters.memory.runtime import MemoryRuntimeStore
from adapters.memory.store import MemoryAuthoringStore, MemoryDialogueStore

__all__ = [
    "ManualClock",
    "MemoryAnalyticsStore",
    "MemoryAuthoringStore",
    "MemoryDialogueStore",
    "MemoryRuntimeStore",
]
