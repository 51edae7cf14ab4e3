"""Row-level security on every table that holds tenants' rows; the roles that it is about."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
TRAIL = "SELECT, INSERT, UPDATE (sequence, digest)"
APPLICATION_MAY = {
    "flows": EVERYTHING,
    "flow_versions": EVERYTHING,
    "flow_daily_metrics": EVERYTHING,
    "audit_entries": TRAIL,
    "audit_heads": TRAIL,
    "outbox": EVERYTHING,
    "outbox_deliveries": EVERYTHING,
    "experiments": EVERYTHING,
    "experiment_assignments": EVERYTHING,
    "experiment_outcomes": EVERYTHING,
    "experiment_outcome_keys": EVERYTHING,
    "integrations": EVERYTHING,
    "integration_calls": EVERYTHING,
}
DEFINER_MAY = {"audit_entries": "SELECT, DELETE", "audit_heads": "SELECT, DELETE"}
WITHOUT_TENANT = {"dialogbase_migrations": "SELECT", "outbox_consumers": EVERYTHING}
ENTITIES = ("flows", "experiments", "integrations")

SEALED = """
CREATE POLICY dialogbase_sealed ON audit_entries AS RESTRICTIVE FOR UPDATE
USING (sequence IS NULL AND digest IS NULL) WITH CHECK (true)
"""

# What a search looks through, as in the index on it.
DOCUMENTS = {
    "flows": (
        "(((((name_folded || E'\\n') || coalesce(description_folded, '')) || E'\\n')"
        " || coalesce(category_folded, '')) || E'\\n') || tags_folded"
    ),
}

# Advisory locks are a database's, roles the cluster's. Of two transactions that create a role of
# the same name the second waits for the first, in whatever database; it is dropped again at once.
MUTEX = ("CREATE ROLE dialogbase_migrating NOLOGIN", "DROP ROLE dialogbase_migrating")

ROLES = """
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dialogbase_app', 'dialogbase_definer'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
END $$
"""
ROLES_MISSING = """
SELECT count(*) < 2 FROM pg_roles WHERE rolname IN ('dialogbase_app', 'dialogbase_definer')
"""
NO_MEMBER = """
SELECT NOT pg_has_role(
    current_user,
    'dialogbase_definer',
    CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END
)
"""

# What follows reads past row-level security, as `dialogbase_definer`. Nothing is found by the
# caller's search path. `current_setting` with true: null, and so nothing, where none is set.
FIND = """
CREATE FUNCTION {schema}.dialogbase_find_{table}(terms text[]) RETURNS uuid[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $find$
DECLARE
    mine text := current_setting('dialogbase.tenant', true);
    term text;
    keys text[] := '{{}}';
    found uuid[];
BEGIN
    FOREACH term IN ARRAY terms LOOP
        keys := keys || {schema}.dialogbase_grams(mine, term);
    END LOOP;
    -- Executed, so that it is planned for these keys and not for any.
    EXECUTE $sql$
        SELECT array_agg(id) FROM {schema}.{table}
        WHERE tenant_id = $1 AND {schema}.dialogbase_grams(tenant_id, {document}) @> $2
    $sql$ INTO found USING mine, keys;
    RETURN coalesce(found, '{{}}');
END $find$
"""
# One step down each primary key, however many rows a tenant has.
NEXT_TENANT = """
CREATE FUNCTION {schema}.dialogbase_next_tenant(after text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN least({steps})
"""
STEP = """(
    SELECT tenant_id FROM {schema}.{table} WHERE tenant_id > after ORDER BY tenant_id LIMIT 1
)"""
# Of the tenant that is both named and set, at most so many entries; whether any are left. The head
# of its chain goes with the last.
ERASE_AUDIT = """
CREATE FUNCTION {schema}.dialogbase_erase_audit(erased text, most bigint) RETURNS boolean
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
    DELETE FROM {schema}.audit_heads WHERE tenant_id = erased;
    RETURN false;
END $erase$
"""
MADE_HERE = (
    *(f"dialogbase_find_{table}(text[])" for table in DOCUMENTS),
    "dialogbase_next_tenant(text)",
    "dialogbase_erase_audit(text, bigint)",
)
OF_THE_OUTBOX = (
    "dialogbase_tenants_with_news(text, integer)",
    "dialogbase_tenants_with_deliveries(text, timestamp with time zone, text, integer)",
    "dialogbase_tenants_with_unsealed(text, integer)",
    "dialogbase_outbox_backlog()",
)


def upgrade() -> None:
    schema = _schema()
    with _as_definer(schema):
        for table, document in DOCUMENTS.items():
            _run(FIND.format(schema=schema, table=table, document=document))
        steps = ", ".join(STEP.format(schema=schema, table=table) for table in ENTITIES)
        _run(NEXT_TENANT.format(schema=schema, steps=steps))
        _run(ERASE_AUDIT.format(schema=schema))
        for signature in (*MADE_HERE, *OF_THE_OUTBOX):
            _run(f"ALTER FUNCTION {schema}.{signature} OWNER TO dialogbase_definer")
            _run(f"REVOKE ALL ON FUNCTION {schema}.{signature} FROM PUBLIC")
            _run(f"GRANT EXECUTE ON FUNCTION {schema}.{signature} TO dialogbase_app, CURRENT_USER")
    for table, rights in APPLICATION_MAY.items():
        _run(f"GRANT {rights} ON {table} TO dialogbase_app")
        _run(f"GRANT {DEFINER_MAY.get(table, 'SELECT')} ON {table} TO dialogbase_definer")
        _run(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        _run(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        _run(
            f"CREATE POLICY dialogbase_tenant ON {table} USING"
            " ((tenant_id = (SELECT current_setting('dialogbase.tenant', true)))::int <> 0)"
        )
        _run(f"CREATE POLICY dialogbase_definer ON {table} TO dialogbase_definer USING (true)")
    for table, rights in WITHOUT_TENANT.items():
        _run(f"GRANT {rights} ON {table} TO dialogbase_app")
    _run(SEALED)


def downgrade() -> None:
    """The roles stay: they may be other databases', too."""
    schema = _schema()
    with _as_definer(schema):
        for signature in MADE_HERE:
            _run(f"DROP FUNCTION {schema}.{signature}")
        for signature in OF_THE_OUTBOX:
            _run(f"GRANT EXECUTE ON FUNCTION {schema}.{signature} TO PUBLIC")
            _run(f"REVOKE EXECUTE ON FUNCTION {schema}.{signature} FROM dialogbase_app")
            _run(f"ALTER FUNCTION {schema}.{signature} OWNER TO CURRENT_USER")
    _run("DROP POLICY dialogbase_sealed ON audit_entries")
    for table in APPLICATION_MAY:
        _run(f"DROP POLICY dialogbase_definer ON {table}")
        _run(f"DROP POLICY dialogbase_tenant ON {table}")
        _run(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        _run(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    for table in (*APPLICATION_MAY, *WITHOUT_TENANT):
        _run(f"REVOKE ALL ON {table} FROM dialogbase_app, dialogbase_definer")


def _run(sql: str) -> None:
    op.get_bind().exec_driver_sql(sql)


def _asked(sql: str) -> object:
    return op.get_bind().exec_driver_sql(sql).scalar()


def _schema() -> str:
    return str(_asked("SELECT quote_ident(current_schema())"))


@contextmanager
def _as_definer(schema: str) -> Iterator[None]:
    """The roles are there, and for the block who migrates may act for `dialogbase_definer`, which
    may create functions; afterwards neither, unless it was so before."""
    missing = _asked(ROLES_MISSING)
    if missing:
        for statement in (*MUTEX, ROLES):
            _run(statement)
    borrowed = _asked(NO_MEMBER)
    if borrowed:
        if not missing:
            for statement in MUTEX:
                _run(statement)
        _run("GRANT dialogbase_definer TO CURRENT_USER")
    lent = []
    for role, rights in (("dialogbase_app", "USAGE"), ("dialogbase_definer", "USAGE, CREATE")):
        for right in rights.split(", "):
            if not _asked(f"SELECT has_schema_privilege('{role}', current_schema(), '{right}')"):
                _run(f"GRANT {right} ON SCHEMA {schema} TO {role}")
                lent += [f"REVOKE CREATE ON SCHEMA {schema} FROM {role}"] * (right == "CREATE")
    yield
    for statement in lent:
        _run(statement)
    if borrowed:
        _run("REVOKE dialogbase_definer FROM CURRENT_USER")
