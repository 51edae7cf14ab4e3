"""Trails that are restored: what is written to them afterwards comes after what was restored."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Only forwards, and past what others may be drawing meanwhile; a gap is no harm. In turn: of two
# who restore at once, the one that has less to pass might set back what the other has passed. Not
# so far that a forged trail could use the positions up.
ADVANCE = """
CREATE FUNCTION {schema}.dialogbase_audit_positions(restored bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $advance$
DECLARE
    drawn bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('dialogbase.audit positions', 0));
    SELECT last_value INTO drawn FROM {schema}.{sequence};
    IF restored >= drawn AND restored < 9007199254740992 THEN
        RETURN setval('{schema}.{sequence}', restored + 1000);
    END IF;
    RETURN drawn;
END $advance$
"""
SIGNATURE = "dialogbase_audit_positions(bigint)"
MUTEX = ("CREATE ROLE dialogbase_migrating NOLOGIN", "DROP ROLE dialogbase_migrating")
NO_MEMBER = """
SELECT NOT pg_has_role(
    current_user,
    'dialogbase_definer',
    CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END
)
"""


def upgrade() -> None:
    schema, sequence = _schema(), _sequence()
    _run(f"GRANT SELECT, UPDATE ON SEQUENCE {schema}.{sequence} TO dialogbase_definer")
    with _as_definer(schema) as myself:
        _run(ADVANCE.format(schema=schema, sequence=sequence))
        _run(f"REVOKE ALL ON FUNCTION {schema}.{SIGNATURE} FROM PUBLIC")
        _run(f"GRANT EXECUTE ON FUNCTION {schema}.{SIGNATURE} TO dialogbase_app, {myself}")


def downgrade() -> None:
    schema, sequence = _schema(), _sequence()
    with _as_definer(schema):
        _run(f"DROP FUNCTION {schema}.{SIGNATURE}")
    _run(f"REVOKE ALL ON SEQUENCE {schema}.{sequence} FROM dialogbase_definer")


def _run(sql: str) -> None:
    op.get_bind().exec_driver_sql(sql)


def _asked(sql: str) -> object:
    return op.get_bind().exec_driver_sql(sql).scalar()


def _schema() -> str:
    return str(_asked("SELECT quote_ident(current_schema())"))


def _sequence() -> str:
    """What positions are drawn from."""
    named = "quote_ident(current_schema()) || '.audit_entries'"
    asked = f"SELECT pg_get_serial_sequence({named}, 'position')"
    return str(_asked(asked)).rpartition(".")[2]


@contextmanager
def _as_definer(schema: str) -> Iterator[str]:
    """For the block what is made is `dialogbase_definer`'s; who migrates. They may act for it, and
    it may create functions, no longer than that, unless it was so before.
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
