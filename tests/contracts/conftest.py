"""Which contracts are run on what stands before other adapters."""

import pytest

from ports.contracts.groups import CONTRACTS, Group

CACHED = {
    *(name for name in CONTRACTS if name.startswith("flow")),
    *("repository", "writing", "patching", "concurrency", "unit_of_work", "unit_conflicts"),
    *("cancellation", "isolation", "maintenance", "state_machine", "tenant_restoring"),
}
"""About what caches could get wrong; criteria, pages and the like they only pass on."""


LEFT_BY_PYMONGO = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""PyMongo's asynchronous client (4.20) leaves a connection to the garbage collector if the call
that was making it is cancelled."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On cached flows: those about them."""
    items[:] = [item for item in items if _applies(item)]
    for item in items:
        if _backend(item) == "pymongo":
            item.add_marker(LEFT_BY_PYMONGO)


def _backend(item: pytest.Item) -> str | None:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return None
    return getattr(item.callspec.params.get("backend"), "name", None)


def _applies(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or _backend(item) != "cached":
        return True
    asked = item.callspec.params
    module = item.function.__module__.rpartition(".")[2]
    subject, group = asked.get("subject"), asked.get("group", Group.AUTHORING)
    return (
        module in CACHED and group is Group.AUTHORING and getattr(subject, "name", "flow") == "flow"
    )
