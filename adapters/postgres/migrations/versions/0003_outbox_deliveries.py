"""Who is told of changes, and of what they are yet to be told."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT = sa.Text(collation="C")
TIME = postgresql.TIMESTAMP(timezone=True)

# They look across tenants, and so run with their owner's rights: under row-level security, those of
# a role whom policies let do so. A tenant is found by one step down an index, however many
# rows it has.
WITH_NEWS = """
CREATE FUNCTION dialogbase_tenants_with_news(after text, most integer) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := after;
BEGIN
    FOR i IN 1..most LOOP
        SELECT o.tenant_id INTO named FROM {schema}.outbox o
         WHERE o.tenant_id > named ORDER BY o.tenant_id LIMIT 1;
        EXIT WHEN named IS NULL;
        RETURN NEXT named;
    END LOOP;
END $$
"""
WITH_DELIVERIES = """
CREATE FUNCTION dialogbase_tenants_with_deliveries(
    consumer_name text, until timestamp with time zone, after text, most integer
) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := after;
    given integer := 0;
BEGIN
    WHILE given < most LOOP
        IF until IS NULL THEN
            SELECT d.tenant_id INTO named FROM {schema}.outbox_deliveries d
             WHERE d.consumer = consumer_name AND d.due_at IS NULL AND d.tenant_id > named
             ORDER BY d.tenant_id LIMIT 1;
            EXIT WHEN named IS NULL;
        ELSE
            SELECT d.tenant_id INTO named FROM {schema}.outbox_deliveries d
             WHERE d.consumer = consumer_name AND d.due_at IS NOT NULL AND d.tenant_id > named
             ORDER BY d.tenant_id LIMIT 1;
            EXIT WHEN named IS NULL;
            PERFORM FROM {schema}.outbox_deliveries d
              WHERE d.consumer = consumer_name AND d.tenant_id = named AND d.due_at <= until;
            CONTINUE WHEN NOT FOUND;
        END IF;
        RETURN NEXT named;
        given := given + 1;
    END LOOP;
END $$
"""
WITH_UNSEALED = """
CREATE FUNCTION dialogbase_tenants_with_unsealed(after text, most integer) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := after;
BEGIN
    FOR i IN 1..most LOOP
        SELECT a.tenant_id INTO named FROM {schema}.audit_entries a
         WHERE a.sequence IS NULL AND a.tenant_id > named ORDER BY a.tenant_id LIMIT 1;
        EXIT WHEN named IS NULL;
        RETURN NEXT named;
    END LOOP;
END $$
"""
BACKLOG = """
CREATE FUNCTION dialogbase_outbox_backlog() RETURNS TABLE (
    consumer text, waiting bigint, oldest timestamp with time zone,
    failing bigint, attempts integer, error text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT NULL, count(*), min(o.at), 0::bigint, 0, NULL FROM {schema}.outbox o;
    RETURN QUERY
        SELECT d.consumer, count(*), min(d.at), count(*) FILTER (WHERE d.attempts > 0),
               max(d.attempts), (array_agg(d.error ORDER BY d.attempts DESC, d.position DESC)
                                 FILTER (WHERE d.attempts > 0))[1]
          FROM {schema}.outbox_deliveries d GROUP BY d.consumer;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "outbox_consumers",
        sa.Column("name", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_outbox_consumers"),
    )
    op.create_table(
        "outbox_deliveries",
        sa.Column("tenant_id", TEXT, nullable=False),
        sa.Column("consumer", TEXT, nullable=False),
        sa.Column("entity_type", TEXT, nullable=False),
        sa.Column("entity_id", sa.UUID(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", TEXT, nullable=True),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("error", TEXT, nullable=True),
        sa.PrimaryKeyConstraint(
            "tenant_id",
            "consumer",
            "entity_type",
            "entity_id",
            "position",
            name="pk_outbox_deliveries",
        ),
    )
    op.create_index(
        "ix_outbox_deliveries_new",
        "outbox_deliveries",
        ["consumer", "tenant_id", "position"],
        postgresql_where=sa.text("due_at IS NULL"),
    )
    op.create_index(
        "ix_outbox_deliveries_due",
        "outbox_deliveries",
        ["consumer", "tenant_id", "due_at", "position"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    for function in (WITH_NEWS, WITH_DELIVERIES, WITH_UNSEALED, BACKLOG):
        op.execute(function.format(schema=schema))


def downgrade() -> None:
    op.execute("DROP FUNCTION dialogbase_outbox_backlog()")
    op.execute(
        "DROP FUNCTION dialogbase_tenants_with_deliveries"
        "(text, timestamp with time zone, text, integer)"
    )
    op.execute("DROP FUNCTION dialogbase_tenants_with_unsealed(text, integer)")
    op.execute("DROP FUNCTION dialogbase_tenants_with_news(text, integer)")
    op.drop_table("outbox_deliveries")
    op.drop_table("outbox_consumers")
