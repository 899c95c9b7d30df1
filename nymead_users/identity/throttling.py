"""Growing delays after wrong passwords, for the address and the account that fail and for nobody else."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from nymead_users.identity.errors import TooManyAttempts

#: How many addresses and how many accounts are remembered; the longest quiet ones are forgotten first.
CAPACITY = 10_000


@dataclass(slots=True)
class _Record:
    """Wrong passwords in a row, by the other side's name (an address's accounts, an account's addresses)."""

    failures: Counter[bytes] = field(default_factory=Counter)
    last: float = 0.0

    @property
    def count(self) -> int:
        return self.failures.total()


class Throttle:
    """Counts wrong passwords and says when the next one may be tried.

    The first ``free_attempts`` failures in a row cost nothing; the next one delays by ``first_delay``
    seconds, each further one twice as long, up to ``max_delay``. ``forget_after`` seconds without a
    failure clear the count, and so does the right password, but only of the failures with that account
    from that address: an attacker's own account does not wash off guesses at others.

    An address is delayed by its own failures. An account is delayed by failures from addresses that never
    logged in to it, and only towards such addresses: its owner's address stays open under attack.
    """

    def __init__(
        self,
        *,
        free_attempts: int,
        first_delay: float,
        max_delay: float,
        forget_after: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free_attempts = free_attempts
        self._first_delay = first_delay
        self._max_delay = max_delay
        self._forget_after = forget_after
        self._clock = clock
        self._addresses: OrderedDict[bytes, _Record] = OrderedDict()
        self._accounts: OrderedDict[bytes, _Record] = OrderedDict()

    def check(self, address: str, account: str, *, known: bool) -> None:
        """Raise TooManyAttempts if this attempt comes too early.

        ``known``: the address has logged in to the account before.
        """
        waits = [self._wait(self._addresses, _key(address))]
        if not known:
            waits.append(self._wait(self._accounts, _key(account)))
        if max(waits) > 0:
            raise TooManyAttempts(max(waits))

    def failed(self, address: str, account: str, *, known: bool) -> None:
        """A wrong password."""
        self._count(self._addresses, _key(address), _key(account))
        if not known:
            self._count(self._accounts, _key(account), _key(address))

    def succeeded(self, address: str, account: str) -> None:
        """The right password."""
        self._clear(self._addresses, _key(address), _key(account))
        self._clear(self._accounts, _key(account), _key(address))

    def _wait(self, records: OrderedDict[bytes, _Record], key: bytes) -> float:
        record = records.get(key)
        if record is None:
            return 0.0
        quiet = self._clock() - record.last
        if quiet >= self._forget_after:
            del records[key]
            return 0.0
        # Beyond 2**30 every delay is the longest one; the bound keeps the power within a float.
        excess = min(record.count - self._free_attempts, 30)
        delay = min(self._first_delay * 2.0 ** (excess - 1), self._max_delay) if excess > 0 else 0.0
        return delay - quiet

    def _count(self, records: OrderedDict[bytes, _Record], key: bytes, other: bytes) -> None:
        record = records.setdefault(key, _Record())
        record.failures[other] += 1
        record.last = self._clock()
        records.move_to_end(key)
        if len(records) > CAPACITY:
            records.popitem(last=False)

    def _clear(self, records: OrderedDict[bytes, _Record], key: bytes, other: bytes) -> None:
        record = records.get(key)
        if record is None:
            return
        del record.failures[other]
        if not record.failures:
            del records[key]


def _key(name: str) -> bytes:
    """A name of any length in 16 bytes, so that what is remembered stays small."""
    return hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=16).digest()
