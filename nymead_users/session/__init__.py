"""A connection's life from its first message to its close, and who hears what meanwhile."""
