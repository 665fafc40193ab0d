"""Alembic's entry point; ``callguard.ledger.migrate`` hands over the open connection."""

from alembic import context

from callguard.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
