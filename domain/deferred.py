"""Values whose content is worked out at first use.

Reading a page of flows to show their names should not cost the decoding of fifty definitions. A
store hands out a deferred value; nobody who uses it can tell, but for the time it takes.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

_LOAD = "_load"


class Deferrable:
    """Mixin of frozen values without slots: `deferred` builds one that fills itself in."""

    @classmethod
    def deferred(cls, load: Callable[[], Mapping[str, Any]]) -> Self:
        """An instance that takes its fields from `load()` at the first access to any of them.

        `load` returns every field, already checked, and may be called again if two threads read at
        once; what it raises reaches the reader, and the next read tries again.
        """
        made = object.__new__(cls)
        made.__dict__[_LOAD] = load
        return made

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Only called for what wasn't in __dict__; by now, another thread may have put it there.
            if not name.startswith("__"):
                self._filled_in()
                if name in self.__dict__:
                    return self.__dict__[name]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

        def __reduce_ex__(self, protocol):
            self._filled_in()
            return super().__reduce_ex__(protocol)

        def _filled_in(self) -> None:
            load = self.__dict__.get(_LOAD)
            if load is not None:
                self.__dict__.update(load())
                self.__dict__.pop(_LOAD, None)
