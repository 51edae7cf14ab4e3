"""Which contracts are run on what stands before other adapters."""

import pytest

from ports.contracts.groups import CONTRACTS, Group

CACHED = {
    *(name for name in CONTRACTS if name.startswith("flow")),
    *("repository", "writing", "patching", "concurrency", "unit_of_work", "unit_conflicts"),
    *("cancellation", "isolation", "maintenance", "state_machine", "tenant_restoring"),
}
"""About what caches could get wrong; criteria, pages and the like they only pass on."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On cached flows: those about them."""
    items[:] = [item for item in items if _applies(item)]


def _applies(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return True
    asked = item.callspec.params
    if getattr(asked.get("backend"), "name", None) != "cached":
        return True
    module = item.function.__module__.rpartition(".")[2]
    subject, group = asked.get("subject"), asked.get("group", Group.AUTHORING)
    return (
        module in CACHED and group is Group.AUTHORING and getattr(subject, "name", "flow") == "flow"
    )
