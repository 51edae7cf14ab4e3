"""The PostgreSQL store: SQLAlchemy Core declares tables and compiles statements, asyncpg runs them.

`store.PostgresStore` is what users open. `repository` implements the primitives of every port for
any schema; an aggregate adds its table (`tables`) and what is its own (`flows`). Nothing of
SQLAlchemy's or asyncpg's leaves this package.
"""
