"""Users, tokens, passwords and the push button: the domain."""
