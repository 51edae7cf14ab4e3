"""Tombstones: who was erased, and is refused late writes."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")
TIME = postgresql.TIMESTAMP(timezone=True)

# Numbers are given in the order of commits: who has one holds the lock until then. So whoever has
# seen a number has seen all smaller ones.
NUMBER = """
CREATE FUNCTION {schema}.dialogbase_tombstone_number() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $number$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('dialogbase.tombstones', 0));
    RETURN nextval('{schema}.tombstone_numbers');
END $number$
"""
# Of all tenants: names of those that were erased, and the beginnings of users' hashes.
AFTER = """
CREATE FUNCTION {schema}.dialogbase_tombstones_after(after bigint, most integer)
RETURNS TABLE (number bigint, tenant text, hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $after$
    SELECT t.number, CASE WHEN t.user_hash = '' THEN t.tenant_id END, left(t.user_hash, 16)
      FROM {schema}.tombstones t WHERE t.number > after ORDER BY t.number LIMIT most
$after$
"""
FROM = """
CREATE FUNCTION {schema}.dialogbase_tombstones_from(
    beyond_tenant text, beyond_hash text, most integer, unfinished boolean
) RETURNS TABLE (tenant text, hash text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $from$
BEGIN
    IF unfinished THEN
        RETURN QUERY SELECT t.tenant_id, t.user_hash FROM {schema}.tombstones t
         WHERE (t.tenant_id, t.user_hash) > (beyond_tenant, beyond_hash) AND t.finished_at IS NULL
         ORDER BY t.tenant_id, t.user_hash LIMIT most;
    ELSE
        RETURN QUERY SELECT t.tenant_id, t.user_hash FROM {schema}.tombstones t
         WHERE (t.tenant_id, t.user_hash) > (beyond_tenant, beyond_hash)
         ORDER BY t.tenant_id, t.user_hash LIMIT most;
    END IF;
END $from$
"""
PAST = """
CREATE FUNCTION {schema}.dialogbase_tombstones_past(
    past timestamp with time zone, most integer
) RETURNS TABLE (tenant text, hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $past$
    SELECT t.tenant_id, t.user_hash FROM {schema}.tombstones t
     WHERE t.until <= past ORDER BY t.until LIMIT most
$past$
"""
FUNCTIONS = {
    "dialogbase_tombstone_number()": NUMBER,
    "dialogbase_tombstones_after(bigint, integer)": AFTER,
    "dialogbase_tombstones_from(text, text, integer, boolean)": FROM,
    "dialogbase_tombstones_past(timestamp with time zone, integer)": PAST,
}
BORROWED = """
SELECT NOT pg_has_role(
    current_user,
    'dialogbase_definer',
    CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END
)
"""
MUTEX = ("CREATE ROLE dialogbase_migrating NOLOGIN", "DROP ROLE dialogbase_migrating")


def upgrade() -> None:
    op.create_table(
        "tombstones",
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("user_hash", TEXT, nullable=False),
        sa.Column("user_id", TEXT, nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("erased", postgresql.JSONB(), nullable=False),
        sa.Column("finished_at", TIME, nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "user_hash", name="pk_tombstones"),
    )
    op.create_index("ix_tombstones_number", "tombstones", ["number"])
    op.create_index("ix_tombstones_until", "tombstones", ["until"])
    op.create_index(
        "ix_tombstones_unfinished",
        "tombstones",
        ["tenant_id", "user_hash"],
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    _run("CREATE SEQUENCE tombstone_numbers")
    _run("GRANT USAGE ON SEQUENCE tombstone_numbers TO dialogbase_definer")
    _run("GRANT SELECT, INSERT, UPDATE, DELETE ON tombstones TO dialogbase_app")
    _run("GRANT SELECT ON tombstones TO dialogbase_definer")
    _run("ALTER TABLE tombstones ENABLE ROW LEVEL SECURITY")
    _run("ALTER TABLE tombstones FORCE ROW LEVEL SECURITY")
    _run(
        "CREATE POLICY dialogbase_tenant ON tombstones USING"
        " ((tenant_id = (SELECT current_setting('dialogbase.tenant', true)))::int <> 0)"
    )
    _run("CREATE POLICY dialogbase_definer ON tombstones TO dialogbase_definer USING (true)")
    schema = _schema()
    with _as_definer(schema):
        for signature, body in FUNCTIONS.items():
            _run(body.format(schema=schema))
            _run(f"ALTER FUNCTION {schema}.{signature} OWNER TO dialogbase_definer")
            _run(f"REVOKE ALL ON FUNCTION {schema}.{signature} FROM PUBLIC")
            _run(f"GRANT EXECUTE ON FUNCTION {schema}.{signature} TO dialogbase_app, CURRENT_USER")


def downgrade() -> None:
    schema = _schema()
    with _as_definer(schema):
        for signature in FUNCTIONS:
            _run(f"DROP FUNCTION {schema}.{signature}")
    op.drop_table("tombstones")
    _run("DROP SEQUENCE tombstone_numbers")


def _run(sql: str) -> None:
    op.get_bind().exec_driver_sql(sql)


def _asked(sql: str) -> object:
    return op.get_bind().exec_driver_sql(sql).scalar()


def _schema() -> str:
    return str(_asked("SELECT quote_ident(current_schema())"))


@contextmanager
def _as_definer(schema: str) -> Iterator[None]:
    """For the block who migrates may act for `dialogbase_definer`, which may create functions;
    afterwards neither, unless it was so before."""
    borrowed = _asked(BORROWED)
    if borrowed:
        for statement in MUTEX:
            _run(statement)
        _run("GRANT dialogbase_definer TO CURRENT_USER")
    lent = not _asked(
        "SELECT has_schema_privilege('dialogbase_definer', current_schema(), 'CREATE')"
    )
    if lent:
        _run(f"GRANT CREATE ON SCHEMA {schema} TO dialogbase_definer")
    yield
    if lent:
        _run(f"REVOKE CREATE ON SCHEMA {schema} FROM dialogbase_definer")
    if borrowed:
        _run("REVOKE dialogbase_definer FROM CURRENT_USER")
