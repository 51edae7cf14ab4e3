"""Any course of a cache, in lockstep with a dict whose values end."""

from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ports.cache import MISS
from ports.contracts.cached import Counted, ms
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, examples

NAMES = ("a", "a:b", "订")
KEYS = st.sampled_from(NAMES)
VALUES: st.SearchStrategy[Any] = st.sampled_from([None, None, 0.0, {"n": [1]}])
TAGS = st.lists(st.sampled_from(["s", "t"]), max_size=2)
# None ends when another one does, or when the clock stands: that very millisecond is the store's.
LIVES = st.sampled_from([1_005, 2_005, 300_005])
STALE = st.sampled_from([0, 600_000])
TIMES = st.sampled_from([100, 900, 2_000, 20_000])


@attrs.define
class Kept:
    """What is under a key, as far as anybody can know."""

    value: Any
    ends: int
    tags: set[str]


class Machine(RuleBasedStateMachine):
    """One tenant's cache, used by two instances."""

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self.caches = [scope.cache for scope in backend.rivals()]
        self.kept: dict[str, Kept] = {}
        self.once: dict[str, set[str]] = {}
        self.now = 0

    def found(self, key: str) -> Kept | None:
        """What isn't over."""
        kept = self.kept.get(key)
        return kept if kept is not None and kept.ends >= self.now else None

    def keep(self, key: str, value: Any, lives: int, tags: list[str]) -> None:
        """As the store should."""
        self.kept[key] = Kept(value, self.now + lives, set(tags))
        self.once.setdefault(key, set()).update(tags)

    @rule(time=TIMES)
    def wait(self, time: int) -> None:
        """Time passes."""
        self.backend.clock.advance(milliseconds=time)
        self.now += time

    @rule(by=st.integers(0, 1), key=KEYS, value=VALUES, lives=LIVES, stale=STALE, tags=TAGS)
    def set(self, by: int, key: str, value: Any, lives: int, stale: int, tags: list[str]) -> None:
        """A value is stored; its stale part is nobody's concern here."""
        kept = ms(stale) if stale else None
        self.backend.run(self.caches[by].set(key, value, ms(lives), stale=kept, tags=tags))
        self.keep(key, value, lives, tags)

    @rule(by=st.integers(0, 1), keys=st.lists(KEYS), value=VALUES, lives=LIVES, tags=TAGS)
    def set_many(self, by: int, keys: list[str], value: Any, lives: int, tags: list[str]) -> None:
        """Several are."""
        values = dict.fromkeys(keys, value)
        self.backend.run(self.caches[by].set_many(values, ms(lives), tags=tags))
        for key in values:
            self.keep(key, value, lives, tags)

    @rule(by=st.integers(0, 1), key=KEYS, lives=LIVES, tags=TAGS)
    def load(self, by: int, key: str, lives: int, tags: list[str]) -> None:
        """What isn't there is loaded."""
        load, found = Counted(), self.found(key)
        value = self.backend.run(self.caches[by].get_or_load(key, load, ms(lives), tags=tags))
        assert load.calls == (found is None)
        if found is None:
            self.keep(key, 1, lives, tags)
        assert exact(value) == exact(self.kept[key].value)

    @rule(by=st.integers(0, 1), key=KEYS)
    def delete(self, by: int, key: str) -> None:
        """A value goes."""
        assert self.backend.run(self.caches[by].delete(key)) is (self.found(key) is not None)
        self.kept.pop(key, None)

    @rule(by=st.integers(0, 1), key=KEYS, lives=LIVES)
    def expire(self, by: int, key: str, lives: int) -> None:
        """A value's end is moved."""
        found = self.found(key)
        assert self.backend.run(self.caches[by].expire(key, ms(lives))) is (found is not None)
        if found is not None:
            found.ends = self.now + lives

    @rule(by=st.integers(0, 1), tag=st.sampled_from(["s", "t", "s", "t", None]))
    def invalidate(self, by: int, tag: str | None) -> None:
        """What has the tag goes; what had it before may. Without one, all goes."""
        there = {key for key in self.kept if self.found(key)}
        if tag is None:
            assert self.backend.run(self.caches[by].clear()) == len(there)
            self.kept.clear()
            return
        must = {key for key in there if tag in self.kept[key].tags}
        may = {key for key in there if tag in self.once[key]}
        dropped = self.backend.run(self.caches[by].invalidate_tag(tag))
        left = set(self.backend.run(self.caches[1 - by].get_many(there)))
        assert there - may <= left <= there - must
        assert dropped == len(there - left)
        for key in there - left:
            del self.kept[key]

    @rule(by=st.integers(0, 1))
    def look(self, by: int) -> None:
        """All look-ups agree."""
        cache, there = self.caches[by], {key: self.found(key) for key in NAMES}
        many = self.backend.run(cache.get_many(NAMES))
        assert set(many) == {key for key, found in there.items() if found is not None}
        for key, found in there.items():
            value = self.backend.run(cache.get(key))
            left = self.backend.run(cache.ttl(key))
            assert self.backend.run(cache.exists(key)) is (found is not None)
            if found is None:
                assert (value, left) == (MISS, None)
                continue
            assert exact(value) == exact(many[key]) == exact(found.value)
            # A server's clock counts on by itself between two times that it is shown.
            assert left is not None
            assert abs(left - ms(found.ends - self.now)) <= ms(1)


def test_any_course_of_a_cache_agrees_with_the_model(backend: Backend) -> None:
    """Whatever is done in whatever order, by either instance, as time passes."""
    factory: Any = lambda: Machine(backend)  # noqa: E731  # typed as a class, called only
    run_state_machine_as_test(factory, settings=settings(examples(0.6), stateful_step_count=25))
