"""Who may do what at home: users, tokens and permissions over nymea's JSON-RPC API and JSON-RPC 2.0."""

from importlib.metadata import version

__version__ = version("nymead-users")
