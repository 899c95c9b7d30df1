"""rpc.discover, as the OpenRPC specification asks for it."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from nymead_users.rpc.caller import Caller
from nymead_users.rpc.namespace import Access, Namespace, NoParams, method
from nymead_users.rpc.openrpc import openrpc, with_examples
from nymead_users.rpc.registry import Registry

#: An OpenRPC document. One of its keys is no name in Python.
OpenRpcDocument = TypedDict(
    "OpenRpcDocument",
    {
        "openrpc": str,
        "info": dict[str, Any],
        "methods": list[dict[str, Any]],
        "components": dict[str, Any],
        "x-notifications": list[dict[str, Any]],
        "x-errors": list[dict[str, Any]],
    },
)

#: An example of each method and notification, recorded from a running server by scripts/gen_schema.py.
EXAMPLES = Path(__file__).with_name("examples.json")


class DiscoveryNamespace(Namespace):
    """The contract is public: anyone may read it, at any time."""

    name = "rpc"
    hidden = True

    def __init__(self, registry: Registry, version: str) -> None:
        self._registry = registry
        self._version = version

    @method("discover", access=Access.PUBLIC, during_setup=True)
    async def discover(self, caller: Caller, params: NoParams) -> OpenRpcDocument:  # noqa: ARG002
        """Describe the API as an OpenRPC document."""
        return self.document

    @cached_property
    def document(self) -> OpenRpcDocument:
        """The contract, with examples."""
        examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
        return with_examples(openrpc(self._registry, self._version), examples)  # type: ignore[return-value]
