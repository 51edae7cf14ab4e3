"""Containers that can't change but are otherwise the built-in ones."""

from typing import Any, NoReturn, Self, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def _refuse(self: object, *_: object, **__: object) -> NoReturn:
    raise TypeError(f"{type(self).__name__} is immutable; build a new one from a plain copy")


class FrozenDict(dict[K, V]):
    """A dict that refuses every mutation; equal to a plain one, and encoded like one."""

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    @classmethod
    def holding(cls, items: dict[Any, Any]) -> Self:
        """One that holds a shallow copy of `items`, unchecked."""
        made = dict.__new__(cls)
        dict.update(made, items)
        return made

    def __hash__(self) -> int:  # type: ignore[override]  # hashable because it can't change
        return hash(frozenset(self.items()))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).holding, (dict(self),)


class FrozenList(list[V]):
    """A list that refuses every mutation; equal to a plain one, and encoded like one."""

    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    @classmethod
    def holding(cls, items: list[Any]) -> Self:
        """One that holds a shallow copy of `items`, unchecked."""
        made = list.__new__(cls)
        list.extend(made, items)
        return made

    def __hash__(self) -> int:  # type: ignore[override]  # hashable because it can't change
        return hash(tuple(self))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).holding, (list(self),)
