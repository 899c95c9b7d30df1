"""A dispatcher that tells somebody of each call. Apart, so that nobody else pays for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from typing_extensions import override

from nymead_users.rpc.caller import Caller
from nymead_users.rpc.dispatcher import Dispatcher, Setup
from nymead_users.rpc.errors import RpcError
from nymead_users.rpc.message import Call, Result
from nymead_users.rpc.registry import Registry

#: The method of calls that name none that exists: names from clients are not repeated.
UNKNOWN = "unknown"


class ObservedDispatcher(Dispatcher):
    """Calls ``observe`` with each call's method, outcome and duration in seconds, once it has ended.

    The outcome is ``ok``, one of the method's declared outcomes, the name of the RpcError, or ``Cancelled``.
    """

    def __init__(
        self,
        registry: Registry,
        setup: Setup,
        *,
        check_returns: bool = False,
        observe: Callable[[str, str, float], None],
    ) -> None:
        super().__init__(registry, setup, check_returns=check_returns)
        self._observe = observe

    @override
    async def dispatch(self, call: Call, caller: Caller) -> Result:
        method = self._registry.get(call.method)
        outcome = "Cancelled"
        begin = time.perf_counter()
        try:
            result = await super().dispatch(call, caller)
            told = result.get("error")
            outcome = str(told) if method is not None and told in method.outcomes else "ok"
        except RpcError as error:
            outcome = type(error).__name__
            raise
        else:
            return result
        finally:
            name = UNKNOWN if method is None else method.name
            self._observe(name, outcome, time.perf_counter() - begin)
