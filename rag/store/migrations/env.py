"""Runs the migrations on the connection of `open_database`; only Alembic loads this file."""

from alembic import context

from rag.store.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
)
context.run_migrations()
