"""Retention: where each audit trail begins once its oldest entries are gone, and who has what is
old."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")

# Of the tenant that is both named and set, the entries after the anchor up to a place, all of them
# from before a time, and the anchor moved there, in one step; how many: none if any of it isn't so.
PURGE_AUDIT = """
CREATE FUNCTION {schema}.dialogbase_purge_audit(
    purged text, anchored bigint, through bigint, before timestamp with time zone
) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $purge$
DECLARE
    found bigint;
    last text;
BEGIN
    IF purged IS DISTINCT FROM current_setting('dialogbase.tenant', true) THEN
        RETURN 0;
    END IF;
    -- As whoever seals: in turn.
    PERFORM pg_advisory_xact_lock(hashtextextended('dialogbase.audit/' || purged, 0));
    IF anchored <> coalesce(
        (SELECT a.sequence FROM {schema}.audit_anchors a WHERE a.tenant_id = purged), 0
    ) THEN
        RETURN 0;
    END IF;
    SELECT count(*), max(e.digest) FILTER (WHERE e.sequence = through) INTO found, last
      FROM {schema}.audit_entries e
     WHERE e.tenant_id = purged AND e.sequence > anchored AND e.sequence <= through
       AND e.at < before;
    IF through <= anchored OR found <> through - anchored THEN
        RETURN 0;
    END IF;
    INSERT INTO {schema}.audit_anchors AS a (tenant_id, sequence, digest)
    VALUES (purged, through, last)
    ON CONFLICT (tenant_id) DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest;
    DELETE FROM {schema}.audit_entries e
     WHERE e.tenant_id = purged AND e.sequence > anchored AND e.sequence <= through;
    RETURN found;
END $purge$
"""
# The next `most` tenants after one that have any rows, and whether one of those is old: two steps
# down the index for each.
WITH_OLD = """
CREATE FUNCTION {schema}.dialogbase_tenants_with_old_{what}(
    after text, before timestamp with time zone, most integer
) RETURNS TABLE (tenant text, old boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $old$
DECLARE
    named text := after;
BEGIN
    FOR i IN 1..most LOOP
        SELECT t.tenant_id INTO named FROM {schema}.{table} t
         WHERE t.tenant_id > named ORDER BY t.tenant_id LIMIT 1;
        EXIT WHEN named IS NULL;
        tenant := named;
        old := EXISTS (
            SELECT FROM {schema}.{table} t WHERE t.tenant_id = named AND t.at < before
        );
        RETURN NEXT;
    END LOOP;
END $old$
"""
OLD = {"audit": "audit_entries", "calls": "integration_calls"}

ERASE_AUDIT = """
CREATE OR REPLACE FUNCTION {schema}.dialogbase_erase_audit(erased text, most bigint)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $erase$
BEGIN
    IF erased IS DISTINCT FROM current_setting('dialogbase.tenant', true) THEN
        RETURN false;
    END IF;
    DELETE FROM {schema}.audit_entries WHERE tenant_id = erased AND id IN (
        SELECT id FROM {schema}.audit_entries WHERE tenant_id = erased ORDER BY id LIMIT most
    );
    IF EXISTS (SELECT FROM {schema}.audit_entries WHERE tenant_id = erased) THEN
        RETURN true;
    END IF;
    DELETE FROM {schema}.audit_heads WHERE tenant_id = erased;{further}
    RETURN false;
END $erase$
"""
ANCHOR_TOO = "\n    DELETE FROM {schema}.audit_anchors WHERE tenant_id = erased;"

MADE_HERE = (
    "dialogbase_purge_audit(text, bigint, bigint, timestamp with time zone)",
    *(
        f"dialogbase_tenants_with_old_{what}(text, timestamp with time zone, integer)"
        for what in OLD
    ),
)


MUTEX = ("CREATE ROLE dialogbase_migrating NOLOGIN", "DROP ROLE dialogbase_migrating")
NO_MEMBER = """
SELECT NOT pg_has_role(
    current_user,
    'dialogbase_definer',
    CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END
)
"""


def upgrade() -> None:
    op.create_table(
        "audit_anchors",
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_audit_anchors"),
    )
    # Only what removes entries moves an anchor. Services may add one: to a trail that they restore.
    _run("GRANT SELECT, INSERT ON audit_anchors TO dialogbase_app")
    _run("GRANT SELECT, INSERT, UPDATE, DELETE ON audit_anchors TO dialogbase_definer")
    _run("ALTER TABLE audit_anchors ENABLE ROW LEVEL SECURITY")
    _run("ALTER TABLE audit_anchors FORCE ROW LEVEL SECURITY")
    _run(
        "CREATE POLICY dialogbase_tenant ON audit_anchors USING"
        " ((tenant_id = (SELECT current_setting('dialogbase.tenant', true)))::int <> 0)"
    )
    _run("CREATE POLICY dialogbase_definer ON audit_anchors TO dialogbase_definer USING (true)")
    schema = _schema()
    with _as_definer(schema) as myself:
        _run(PURGE_AUDIT.format(schema=schema))
        for what, table in OLD.items():
            _run(WITH_OLD.format(schema=schema, what=what, table=table))
        _run(ERASE_AUDIT.format(schema=schema, further=ANCHOR_TOO.format(schema=schema)))
        for signature in MADE_HERE:
            _run(f"REVOKE ALL ON FUNCTION {schema}.{signature} FROM PUBLIC")
            _run(f"GRANT EXECUTE ON FUNCTION {schema}.{signature} TO dialogbase_app, {myself}")


def downgrade() -> None:
    schema = _schema()
    with _as_definer(schema):
        for signature in MADE_HERE:
            _run(f"DROP FUNCTION {schema}.{signature}")
        _run(ERASE_AUDIT.format(schema=schema, further=""))
    op.drop_table("audit_anchors")


def _run(sql: str) -> None:
    op.get_bind().exec_driver_sql(sql)


def _asked(sql: str) -> object:
    return op.get_bind().exec_driver_sql(sql).scalar()


def _schema() -> str:
    return str(_asked("SELECT quote_ident(current_schema())"))


@contextmanager
def _as_definer(schema: str) -> Iterator[str]:
    """For the block what is made is `dialogbase_definer`'s, and what is its own may be replaced;
    who migrates. They may act for it, and it may create functions, no longer than that, unless it
    was so before.
    """
    undo = []
    myself = str(_asked("SELECT quote_ident(current_user)"))
    if _asked(NO_MEMBER):
        # Roles are the cluster's: of two databases' migrations the second waits for the first.
        for statement in MUTEX:
            _run(statement)
        _run("GRANT dialogbase_definer TO CURRENT_USER")
        undo.append("REVOKE dialogbase_definer FROM CURRENT_USER")
    if not _asked("SELECT has_schema_privilege('dialogbase_definer', current_schema(), 'CREATE')"):
        _run(f"GRANT CREATE ON SCHEMA {schema} TO dialogbase_definer")
        undo.append(f"REVOKE CREATE ON SCHEMA {schema} FROM dialogbase_definer")
    _run("SET LOCAL ROLE dialogbase_definer")
    yield myself
    _run(f"SET LOCAL ROLE {myself}")
    for statement in undo:
        _run(statement)
