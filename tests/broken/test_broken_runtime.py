"""Each runtime store with broken tenants or maintenance is failed; the sound one passes."""

from collections.abc import Callable
from typing import Any

import pytest

from ports.contracts import runtime_isolation, runtime_maintenance
from ports.contracts.runtime_uses import USES
from ports.errors import RepositoryError
from tests.broken import runtime_adapters as broken

Contract = Callable[..., None]
_JOINED = runtime_isolation.test_tenants_and_names_that_join_alike_are_strangers
_ERASED = runtime_maintenance.test_an_erased_tenant_is_gone_from_every_port
_NAMED = runtime_maintenance.test_every_tenant_with_something_is_named_once_and_in_order

CASES: list[tuple[Any, Contract, dict[str, Any]]] = [
    *((broken.FoldsTenants, _JOINED, {"use": use}) for use in USES),
    *((broken.JoinsByColons, _JOINED, {"use": use}) for use in USES),
    (
        broken.JoinsByColons,
        runtime_isolation.test_what_is_left_is_found_under_its_own_tenant_and_name_only,
        {},
    ),
    (
        broken.FoldsTenants,
        runtime_isolation.test_a_cache_that_is_cleared_is_the_cache_alone_and_one_tenants,
        {},
    ),
    (broken.NamesWhoeverCame, _NAMED, {}),
    (
        broken.NamesWhoeverCame,
        runtime_maintenance.test_a_tenant_all_of_whose_things_expired_is_none,
        {"use": USES[0]},
    ),
    (broken.NamesInOrderOfArrival, _NAMED, {}),
    (broken.ErasesByPrefix, _ERASED, {}),
    (broken.SparesTheCache, _ERASED, {}),
    (broken.SparesLocks, _ERASED, {}),
    (
        broken.SparesLocks,
        runtime_maintenance.test_who_holds_a_lock_of_an_erased_tenant_has_lost_it,
        {},
    ),
    (
        broken.CountsWhatHasExpired,
        runtime_maintenance.test_what_has_expired_is_not_counted_as_erased,
        {},
    ),
    (broken.CountsEverything, _ERASED, {}),
    (
        broken.CountsEverything,
        runtime_maintenance.test_an_erasure_goes_in_batches_and_counts_each_thing_once,
        {},
    ),
]


def run(adapter: Any, contract: Contract, arguments: dict[str, Any]) -> None:
    """The contract, on that store."""
    with broken.backend_of(adapter) as backend:
        contract(backend=backend, **arguments)


def named(value: object) -> str:
    """How a case is shown."""
    if isinstance(value, dict):
        return "-".join(one.name for one in value.values())
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("adapter", "contract", "arguments"), CASES, ids=named)
def test_a_broken_store_is_found_out(
    adapter: Any, contract: Contract, arguments: dict[str, Any]
) -> None:
    """By an assertion, or by an error that the store shouldn't raise."""
    with pytest.raises((AssertionError, pytest.fail.Exception, RepositoryError)):
        run(adapter, contract, arguments)


@pytest.mark.parametrize(("adapter", "contract", "arguments"), CASES, ids=named)
def test_the_sound_store_passes_the_same_contract(
    adapter: Any, contract: Contract, arguments: dict[str, Any]
) -> None:
    """So it is the fault that fails it."""
    run(broken.SoundStore, contract, arguments)
