"""The command line."""

from nymead_users.cli.main import main

__all__ = ["main"]
