"""Row-level security: who may see and do what in the database, whatever a statement says.

Two roles, of the whole cluster, which a migration makes:

- `dialogbase_app`, the group of the logins that services connect by. It sees the rows of the
  tenant that is set for its transaction (`tables.TENANT_SETTING`) and nobody's when none is. It
  owns nothing, so it can't turn that off.
- `dialogbase_definer`, which nobody connects by. It owns the functions that read past the
  policies, and no more than those tell: a tenant's name, or the ids of the tenant that is set.

What it is against is a statement of ours that names no tenant, or the wrong one, and SQL that gets
into the middle of one: for that, there are no other tenants' rows. It is no wall around somebody
who may run any SQL as `dialogbase_app`: they may name any tenant to the server, as services do
(`set_config`), list tenants, erase a trail (`dialogbase_erase_audit`) or its beginning
(`dialogbase_purge_audit`, which leaves an anchor), and leave temporary tables in the way of who
uses the connection next. They can't turn it off, change what is sealed, drop or alter anything. The
roles are the cluster's: a login of `dialogbase_app` has its rights in each database there that was
migrated, so what must be kept apart needs `REVOKE CONNECT ON DATABASE … FROM PUBLIC`, or a cluster
of its own. Membership in `dialogbase_definer` reads past everything; `doctor` tells of it.

Each table that holds a tenant's rows has row-level security, forced: its owner is bound, too. What
is here is how `doctor` judges a database; migrations say the same in their own words.
"""

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from adapters.postgres.audit_tables import AUDIT_ANCHORS, AUDIT_ENTRIES, AUDIT_HEADS
from adapters.postgres.audit_tables import FUNCTIONS as TRAIL_FUNCTIONS
from adapters.postgres.delivery_tables import FUNCTIONS
from adapters.postgres.tables import METADATA, TENANT_SETTING, finds, search_index
from adapters.postgres.tombstone_tables import FUNCTIONS as TOMBSTONE_FUNCTIONS

APPLICATION = "dialogbase_app"
DEFINER = "dialogbase_definer"
ROLES = (APPLICATION, DEFINER)

_MINE = f"(tenant_id = (SELECT current_setting('{TENANT_SETTING}', true)))::int <> 0"
"""Not plainly `=`, from which the planner would draw conditions that are tried before the setting
is made, and of which it expects a handful of rows: it then sorts whole what it could read in order.
Of this it expects that nearly all rows meet it, as those do that a statement has narrowed to its
tenant already. In a subquery, so that the setting is looked up once and not for every row. Null,
and so nobody's rows, where none is set."""

_EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
_TRAIL = "SELECT, INSERT, UPDATE (sequence, digest)"
_APPLICATION_MAY: Mapping[sa.Table, str] = {
    AUDIT_ENTRIES: _TRAIL,
    AUDIT_HEADS: _TRAIL,
    AUDIT_ANCHORS: "SELECT, INSERT",
}
"""Where that isn't everything: the trail is written and sealed, and taken away by erasure and
retention alone; an anchor is added to a trail that is restored."""
_DEFINER_MAY: Mapping[sa.Table, str] = {
    AUDIT_ENTRIES: "SELECT, DELETE",
    AUDIT_HEADS: "SELECT, DELETE",
    AUDIT_ANCHORS: _EVERYTHING,
}
_FURTHER: Mapping[sa.Table, Sequence[str]] = {
    AUDIT_ENTRIES: [
        "CREATE POLICY dialogbase_sealed ON audit_entries AS RESTRICTIVE FOR UPDATE"
        " USING (sequence IS NULL AND digest IS NULL) WITH CHECK (true)"
    ]
}


def protected() -> Sequence[sa.Table]:
    """The tables that hold tenants' rows."""
    return [table for table in METADATA.sorted_tables if "tenant_id" in table.c]


def protection(table: sa.Table) -> Sequence[str]:
    """The statements that give the roles their rights to a table, and no more."""
    grants = [f"GRANT {_APPLICATION_MAY.get(table, _EVERYTHING)} ON {table.name} TO {APPLICATION}"]
    if "tenant_id" not in table.c:
        return grants
    return [
        *grants,
        f"GRANT {_DEFINER_MAY.get(table, 'SELECT')} ON {table.name} TO {DEFINER}",
        f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table.name} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY dialogbase_tenant ON {table.name} USING ({_MINE})",
        f"CREATE POLICY dialogbase_definer ON {table.name} TO {DEFINER} USING (true)",
        *_FURTHER.get(table, ()),
    ]


def functions() -> Sequence[str]:
    """The functions that read past the policies."""
    finding = [finds(table) for table in METADATA.sorted_tables if is_searched(table)]
    return [
        *finding,
        "dialogbase_next_tenant",
        "dialogbase_erase_audit",
        *FUNCTIONS,
        *TOMBSTONE_FUNCTIONS,
        *TRAIL_FUNCTIONS,
    ]


def is_searched(table: sa.Table) -> bool:
    """Whether it has a search index."""
    return any(index.name == search_index(table.name) for index in table.indexes)
