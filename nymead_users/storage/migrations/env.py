"""What Alembic runs: the steps that are due, in the transaction of the connection it is given."""

from alembic import context

from nymead_users.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
