"""No operation of a port is forgotten where it is told which ones late writes are refused by."""

from functools import cached_property

import pytest

from ports.contracts.groups import Group
from ports.contracts.late_hot import PORTS
from ports.contracts.late_operations import Operations
from ports.stores import TenantScope

ALL = {name: all for ports in PORTS.values() for name, all in ports.items()}


@pytest.mark.parametrize("name", ALL)
def test_every_operation_writes_deletes_or_reads(name: str) -> None:
    """One that is added to a port is put into the table, or this fails."""
    operations: Operations = ALL[name]
    kind = operations.kind
    there = {
        member
        for member in dir(kind)
        if not member.startswith("_") and callable(getattr(kind, member))
    }
    assert operations.known == there
    writes = {write.partition(" ")[0] for write in operations.writes}
    assert not writes & (operations.reads | operations.deletions.keys())
    assert operations.users <= operations.writes.keys()


def test_every_port_of_a_tenant_is_in_the_table() -> None:
    """Each property of a scope is one."""
    kinds = (property, cached_property)
    ports = {name for name, held in vars(TenantScope).items() if isinstance(held, kinds)}
    assert {name for name in ports if not name.startswith("_")} == ALL.keys()
    assert PORTS.keys() == set(Group)
