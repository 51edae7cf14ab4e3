"""Cached values: they come back as they were, for as long as they were to live, to their tenant."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given

from domain.documents import thaw
from domain.errors import ValidationError
from ports.cache import HOUR, MISS
from ports.cache_entries import LONGEST, MAX_KEY, MAX_TAG, MAX_TAGS
from ports.cache_terms import MAX_MANY
from ports.contracts.cached import NewWords, Unreadable, Words, caches, ms, words
from ports.contracts.exact import exact
from ports.contracts.harness import Backend, contract, examples, raised_by, raised_by_each
from ports.contracts.strategies import json_objects
from ports.stores import TenantScope

VALUES: list[Any] = [
    None,
    True,
    1,
    1.0,
    -0.0,
    0,
    2**63 - 1,
    -(2**63),
    2**53 + 1,
    5e-324,
    "",
    'Straße 订酒店 🏨\r\n"',
    [],
    {},
    {"": [[], {}, None, {"a.b": {"$x": [1, 1.0, "1"]}}]},
    "x" * 100_000,
]


@contract
async def test_a_value_comes_back_as_it_was(backend: Backend) -> None:
    """Through the other instance too: 1 isn't 1.0, and what is empty isn't absent."""
    here, there = caches(backend)
    for value in VALUES:
        await here.set("key", value)
        assert exact(await here.get("key")) == exact(value)
        assert exact(await there.get("key")) == exact(value)


@given(value=json_objects().map(thaw))
@examples(1)
@contract
async def test_any_json_value_comes_back(scope: TenantScope, value: Any) -> None:
    """Whatever it is made of, stored or loaded."""

    async def load() -> Any:
        return value

    await scope.cache.set("key", value)
    assert exact(await scope.cache.get("key")) == exact(value)
    assert exact(await scope.cache.get_or_load("other", load)) == exact(value)
    assert exact(await scope.cache.get("other")) == exact(value)


@contract
async def test_none_is_a_value(scope: TenantScope) -> None:
    """Told apart from nothing by `MISS`, which counts as false, or by a default of one's own."""
    assert not MISS
    assert await scope.cache.get("key") is MISS
    assert await scope.cache.get("key", "default") == "default"
    await scope.cache.set("key", None)
    assert await scope.cache.get("key") is None
    assert await scope.cache.get("key", "default") is None
    assert await scope.cache.exists("key")


@contract
async def test_what_was_returned_or_given_may_be_changed(scope: TenantScope) -> None:
    """It shares nothing with what is stored, nor with what others got."""
    given_away: Any = {"list": [1]}

    async def load() -> Any:
        await asyncio.sleep(0)
        return given_away

    await scope.cache.set("key", given_away)
    loaded: list[Any] = await asyncio.gather(
        *(scope.cache.get_or_load("loaded", load) for _ in range(2))
    )
    given_away["list"].append(2)
    loaded[0]["list"].append(3)
    assert loaded[1] == {"list": [1]}
    for key in ("key", "loaded"):
        found: Any = await scope.cache.get(key)
        assert found == {"list": [1]}
        found["list"].append(4)
        assert await scope.cache.get(key) == {"list": [1]}


@contract(still=True)
async def test_a_value_replaces_what_was_there(backend: Backend) -> None:
    """With its own time to live."""
    here, there = caches(backend)
    await here.set("key", 1, ms(1000))
    await there.set("key", 2)
    assert await here.get("key") == 2
    assert await here.ttl("key") == HOUR


@contract
async def test_a_value_can_be_deleted_once(backend: Backend) -> None:
    """Who deletes is told whether there was one."""
    here, there = caches(backend)
    assert not await here.delete("key")
    await here.set("key", None)
    assert await there.delete("key")
    assert not await here.delete("key")
    assert await here.get("key") is MISS
    assert not await there.exists("key")
    assert await here.ttl("key") is None


@contract(still=True)
async def test_a_value_lives_as_long_as_it_was_told_to(backend: Backend) -> None:
    """To the millisecond, and by the store's clock, whichever instance wrote it."""
    here, there = caches(backend)
    for cache in (here, there):
        await cache.set("key", 1, ms(1500))
        assert await here.ttl("key") == await there.ttl("key") == ms(1500)
        backend.clock.advance(milliseconds=1499)
        assert (await here.get("key"), await here.exists("key")) == (1, True)
        assert await there.ttl("key") == ms(1)
        backend.clock.advance(milliseconds=5)
        assert (await here.get("key"), await here.exists("key")) == (MISS, False)
        assert await there.ttl("key") is None
        assert await there.get_many(["key"]) == {}
        assert not await here.expire("key", HOUR)
        assert not await here.delete("key")


@contract(still=True)
async def test_shortest_and_longest_lives_are_lived(backend: Backend, scope: TenantScope) -> None:
    """One millisecond is no reason to refuse, ten years are no reason to forget."""
    await scope.cache.set("short", 1, ms(1))
    await scope.cache.set("long", 1, LONGEST)
    assert await scope.cache.get("short") == 1
    assert await scope.cache.ttl("long") == LONGEST
    backend.clock.advance(milliseconds=5)
    assert await scope.cache.get("short") is MISS
    assert await scope.cache.ttl("long") == LONGEST - ms(5)


@contract
async def test_an_expiry_can_be_moved_both_ways(backend: Backend) -> None:
    """It is real: the value goes when it says, and not before."""
    here, there = caches(backend)
    await here.set("key", "value", ms(1000))
    backend.clock.advance(milliseconds=900)
    assert await there.expire("key", ms(5000))
    assert await here.ttl("key") == ms(5000)
    backend.clock.advance(milliseconds=4000)
    assert await here.get("key") == "value"
    assert await here.expire("key", ms(10))
    backend.clock.advance(milliseconds=11)
    assert await there.get("key") is MISS


@contract(still=True)
async def test_jitter_shortens_lives_within_its_bounds(backend: Backend) -> None:
    """And not all by the same."""
    here, _ = caches(backend)
    await here.set_many({f"{n}": n for n in range(50)}, ms(10_000), jitter=0.25)
    lives = [await here.ttl(f"{n}") or ms(0) for n in range(50)]
    assert all(ms(7_500) <= life <= ms(10_000) for life in lives)
    assert len(set(lives)) > 10


@contract
async def test_many_values_are_stored_and_found_together(backend: Backend) -> None:
    """Those that there are, in the order asked for, once each."""
    here, there = caches(backend)
    values = {f"key {n}": [n] for n in range(600)}
    await here.set_many(values, ms(1000), tags=["t"])
    await here.set_many({})
    assert await there.get_many(["missing", "key 7", "key 3", "key 7"]) == {
        "key 7": [7],
        "key 3": [3],
    }
    assert list(await there.get_many(reversed(values))) == [*reversed(values)]
    assert await there.get_many([]) == {}
    backend.clock.advance(milliseconds=1005)
    assert await there.get_many(values) == {}


@contract
async def test_tenants_and_keys_are_apart(backend: Backend) -> None:
    """Whatever the keys look like, and whatever is done to all of a tenant's."""
    mine, other = caches(backend)[0], backend.fresh().cache
    keys = ["a", "a:b", "a/b", "a}b", "{a}", "a%3Ab", "A", " a", "a ", "*", "é", "e\u0301"]
    for cache in (mine, other):
        for key in keys:
            await cache.set(key, [id(cache), key], tags=[key])
    assert await mine.get_many(keys) == {key: [id(mine), key] for key in keys}
    assert await mine.delete("a")
    assert await mine.invalidate_tag("a:b") == 1
    assert await mine.invalidate_tag("*") == 1
    assert await mine.clear() == len(keys) - 3
    assert await mine.get_many(keys) == {}
    assert await other.get_many(keys) == {key: [id(other), key] for key in keys}


@contract
async def test_tenants_whose_names_run_into_keys_are_apart(backend: Backend) -> None:
    """`a:b` with `c` isn't `a` with `b:c`."""
    tenant = backend.tenant()
    one, other = backend.scope(f"{tenant}:b").cache, backend.scope(tenant).cache
    await one.set("c", "one", tags=["c"])
    await other.set("b:c", "other", tags=["b:c"])
    assert (await one.get("c"), await other.get("b:c")) == ("one", "other")
    assert await other.invalidate_tag("b:c") == 1
    await other.clear()
    assert await one.get("c") == "one"


@contract(still=True)
async def test_other_types_have_their_own_view_of_the_same_keys(backend: Backend) -> None:
    """What another codec, or another version of it, wrote is a miss, and no error."""
    here, there = caches(backend)
    await words(here).set("key", ("ab", "c"), ms(1000))
    assert await words(there).get("key") == ("ab", "c")
    assert await words(there).ttl("key") == ms(1000)
    for view in (there, there.typed(NewWords())):
        assert await view.get("key") is MISS
        assert await view.get_many(["key"]) == {}
        assert await view.ttl("key") is None
        assert not await view.exists("key")
        assert not await view.expire("key", HOUR)
    assert await words(here).get("key") == ("ab", "c")
    await here.set("key", 1)
    assert await words(here).get("key") is MISS
    assert await words(here).delete("key")
    assert await here.get("key") is MISS


@contract
async def test_what_another_codec_wrote_is_loaded_again(backend: Backend) -> None:
    """And replaced."""
    here, there = caches(backend)

    async def load() -> tuple[str, ...]:
        return ("new",)

    await here.set("key", "json")
    assert await words(there).get_or_load("key", load) == ("new",)
    assert await words(here).get("key") == ("new",)


@contract
async def test_what_is_corrupt_is_a_miss_and_counted(scope: TenantScope) -> None:
    """A look-up doesn't fail on it, and a load replaces it."""

    async def load() -> tuple[str, ...]:
        return ("new",)

    await scope.cache.typed(Unreadable()).set("key", ("x",))
    assert await words(scope.cache).get("key") is MISS
    assert scope.cache.stats().corrupt == 1
    assert await words(scope.cache).get_or_load("key", load) == ("new",)
    assert await words(scope.cache).get("key") == ("new",)
    assert scope.cache.stats().corrupt == 2


@contract
async def test_a_codec_that_cannot_be_told_from_others_is_refused(scope: TenantScope) -> None:
    """Before anything is stored under its name."""
    odd = ({"name": ""}, {"name": "x" * 101}, {"name": "é"}, {"version": 256})
    codecs: list[Any] = [type("Wrong", (Words,), wrong)() for wrong in odd]
    for codec in [*codecs, Words, None, "json"]:
        with pytest.raises(ValidationError):
            scope.cache.typed(codec)


@contract
async def test_what_a_codec_refuses_changes_nothing(scope: TenantScope) -> None:
    """A value that JSON doesn't have is named, and never stored as something near it."""
    await scope.cache.set("key", 1)
    refused: list[Any] = [
        float("nan"),
        {"a": float("inf")},
        2**63,
        {1: 2},
        b"bytes",
        {"a": [object()]},
        "\ud800",
        Words(),
        timedelta(1),
        "x" * (8 * 1024 * 1024),
    ]
    for value in refused:
        assert isinstance(await raised_by(scope.cache.set("key", value)), ValidationError)
        error = await raised_by(scope.cache.set_many({"other": 1, "key": value}))
        assert isinstance(error, ValidationError)
    assert await scope.cache.get_many(["key", "other"]) == {"key": 1}


@contract(still=True)
async def test_arguments_are_checked_first(scope: TenantScope) -> None:
    """Nothing is taken for a time to live that isn't one, least of all for none."""
    cache: Any = scope.cache
    loads = []

    async def load() -> None:
        loads.append(1)

    await cache.set("key", 1, tags=["t"])
    odd = [timedelta(0), ms(-1), LONGEST + ms(1), timedelta(microseconds=1500), 0, 60, 1.5, True]
    for ttl in (*odd, None, float("nan"), "1"):
        errors = await raised_by_each(
            cache.set("key", 2, ttl),
            cache.set_many({"key": 2}, ttl),
            cache.expire("key", ttl),
            cache.get_or_load("no", load, ttl),
        )
        assert {type(error) for error in errors} == {ValidationError}, ttl
    for key in ("", "x" * (MAX_KEY + 1), "a\0", "\ud800", 1, None, b"key"):
        errors = await raised_by_each(
            *(cache.get(key), cache.set(key, 1), cache.delete(key), cache.exists(key)),
            *(cache.ttl(key), cache.expire(key, HOUR), cache.get_many([key])),
            *(cache.set_many({key: 1}), cache.get_or_load(key, load)),
        )
        assert {type(error) for error in errors} == {ValidationError}, key
    terms: list[dict[str, Any]] = [{"jitter": 2}, {"jitter": -1}, {"jitter": "1"}]
    terms += [{"stale": timedelta(0)}, {"stale": 1}]
    terms += [{"early": early} for early in (-1, 1001, float("nan"), True, None)]
    for tags in (["x"] * (MAX_TAGS + 1), [""], ["x" * (MAX_TAG + 1)], "tag", [1], None):
        terms.append({"tags": tags})
    for named in terms:
        error = await raised_by(cache.get_or_load("no", load, **named))
        assert isinstance(error, ValidationError), named
    errors = await raised_by_each(
        *(cache.get_many("key"), cache.invalidate_tag(""), cache.invalidate_tag(None)),
        *(
            operation(wrong)
            for wrong in (None, 7)
            for operation in (cache.get_many, cache.set_many)
        ),
        *(cache.set_many("key"), cache.set_many(["key"]), cache.set_many([("key", 2)])),
        *(cache.get_or_load(key, cast(Any, 7)) for key in ("key", "no")),
        cache.get_many(map(str, range(MAX_MANY + 1))),
    )
    assert {type(error) for error in errors} == {ValidationError}
    assert loads == []
    assert (await cache.get("key"), await cache.ttl("key")) == (1, HOUR)
    await cache.set("x" * MAX_KEY, 1, tags=["🏷" * MAX_TAG])
    assert await cache.get("x" * MAX_KEY) == 1
    assert await cache.expire("x" * MAX_KEY, ms(5))
