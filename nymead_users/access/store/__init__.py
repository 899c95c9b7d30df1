"""The access model in the database: verbs on a connection, which the domain puts into transactions."""
