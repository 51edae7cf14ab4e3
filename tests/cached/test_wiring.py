"""A platform with cached flows: by which settings, and where."""

import pytest

import bootstrap
from adapters.memory import MemoryAuthoringStore
from bootstrap import Settings, Stores
from bootstrap.settings import SettingsError
from tests.bootstrap.running import run
from tests.cached.parts import a_draft


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PROFILE": "memory"}, False),
        ({"PROFILE": "embedded"}, True),
        ({"PROFILE": "embedded", "STORES_AUTHORING": "memory"}, False),
        ({"PROFILE": "embedded", "STORES_RUNTIME": "memory"}, True),
        ({"PROFILE": "embedded", "FLOW_CACHE": "false"}, False),
        ({"PROFILE": "memory", "FLOW_CACHE": "True"}, True),
    ],
)
def test_flows_are_cached_where_that_is_worth_it(
    environment: dict[str, str], expected: bool
) -> None:
    """Unless it is said otherwise."""
    variables = {f"DIALOGBASE_{name}": value for name, value in environment.items()}
    assert Settings.from_environment(variables).flow_cache is expected


def test_what_is_no_answer_is_refused() -> None:
    """And so is a bound that is none."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(
            {
                "DIALOGBASE_PROFILE": "memory",
                "DIALOGBASE_FLOW_CACHE": "perhaps",
                "DIALOGBASE_FLOW_CACHE_STALENESS_SECONDS": "0",
            }
        )
    assert sorted(fault.path for fault in caught.value.faults) == [
        "DIALOGBASE_FLOW_CACHE",
        "DIALOGBASE_FLOW_CACHE_STALENESS_SECONDS",
    ]


@run
async def test_a_platform_without_has_the_store_itself() -> None:
    """Nothing stands between."""
    store = MemoryAuthoringStore()
    async with bootstrap.open(Settings.memory(), authoring=store) as platform:
        assert platform.flow_cache is None
        assert platform.consumers == ()
        assert platform._authoring is store


@run
async def test_a_platform_with_it_reads_what_it_has() -> None:
    """Also from a store that was handed in; and one more consumer wants to hear of changes."""
    settings = Settings(profile="memory", flow_cache=True, stores=Stores())
    async with bootstrap.open(settings, authoring=MemoryAuthoringStore()) as platform:
        flows = platform.for_tenant("acme").flows
        made = await flows.create(a_draft())
        assert [await flows.require(made.id) for _ in range(3)] == [made] * 3
        assert platform.flow_cache is not None
        assert platform.flow_cache.stats().hits == 2
        assert [consumer.name for consumer in platform.consumers] == ["flow-cache"]
        assert (await platform.maintenance.erase_tenant(made.tenant_id)).total == 1
        assert await flows.get_by_id(made.id) is None
