"""Hashing passwords with Argon2id and checking them, in worker threads, behind a bounded queue."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from nymead_users.identity.errors import Busy
from nymead_users.identity.policy import MAX_PASSWORD_BYTES

T = TypeVar("T")

#: Bytes of a hash's salt and of its digest, as RFC 9106 recommends them.
SALT, DIGEST = 16, 32

#: Characters that both take at the end of an encoded hash: in base64 without padding, with a $ in between.
SALT_AND_DIGEST = 22 + 1 + 43

#: How a hash begins that nymead has made: salt and digest follow, with a $ in between. Such hashes come with users that
#: are taken over from there, and go with their first login.
NYMEAD = "$nymead-sha512$"

#: One address on the network may take every so many-th place: a flood leaves the others to everybody else.
SHARE = 4

#: So many PINs of doors wait at a time, a quarter of them from one reporter: they are few, and logins wait behind them.
PINS = 16


class Passwords:
    """Argon2id (RFC 9106) at the configured cost.

    At most ``workers`` hashes are computed at once, each taking ``memory_cost`` KiB; at most ``queue``
    more wait, in the order in which they came. Beyond that, Busy. Logins from the network, logins from this
    machine and new hashes have that many places each, so that none of them keeps the others out; one
    address takes a quarter of the network's at most.
    """

    def __init__(self, *, time_cost: int, memory_cost: int, parallelism: int, workers: int, queue: int) -> None:
        self._hasher = PasswordHasher(time_cost, memory_cost, parallelism, hash_len=DIGEST, salt_len=SALT)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._slots = asyncio.Semaphore(workers)
        places = workers + queue
        self._remote = _Places(places, max(1, places // SHARE))
        self._local = _Places(places, places)
        self._changes = _Places(places, places)
        self._pins = _Places(PINS, max(1, PINS // SHARE))
        #: How the hashes made at the present cost begin.
        self.cost = f"$argon2id$v=19$m={memory_cost},t={time_cost},p={parallelism}$"
        self._decoys: dict[str, str] = {}
        self.expect(())

    def expect(self, hashes: Iterable[str]) -> None:
        """Have every check take as long as one at the present cost and at the costs of these hashes together.

        With one stored hash of every cost, no user's checks are longer or shorter than another's.
        """
        costs = {self.cost, *map(_cost, hashes)} - {None}
        self._decoys = {cost: _decoy(cost) for cost in costs if cost}

    @property
    def costs(self) -> int:
        """How many different costs there are."""
        return len(self._decoys)

    async def hash(self, password: str) -> str:
        """A new hash of a password. Raises Busy."""
        with self._changes.one(""):
            return await self._run(lambda: self._hasher.hash(_bytes(password)))

    async def verify(
        self,
        password: str,
        password_hash: str | None,
        *,
        network: str | None = None,
        admit: Callable[[], None] = lambda: None,
    ) -> bool:
        """Whether the password is right. Without a hash it is wrong, and costs as much time.

        ``network`` is the address it came from, None for this machine's own. ``admit`` is asked when it is
        this password's turn and may raise, before any time is spent on it. Raises Busy.
        """
        secret = _bytes(password)
        cost = _cost(password_hash) if password_hash is not None and len(secret) <= MAX_PASSWORD_BYTES else None
        held_against = {**self._decoys, cost: password_hash} if cost and password_hash else self._decoys
        secret = secret[:MAX_PASSWORD_BYTES]

        def matching() -> set[str]:
            return {cost for cost, against in held_against.items() if self._matches(against, secret)}

        with self._local.one("") if network is None else self._remote.one(network):
            return cost in await self._run(matching, admit)

    async def verify_pin(self, pin: str, pin_hash: str, *, by: str) -> bool:
        """Whether a PIN of a door is right; ``by`` is who reports it. Raises Busy."""
        with self._pins.one(by):
            return await self._run(lambda: self._matches(pin_hash, _bytes(pin)))

    def outdated(self, password_hash: str) -> bool:
        """Whether a hash was made in another way, or at another cost, than at present."""
        return password_hash.startswith(NYMEAD) or self._hasher.check_needs_rehash(password_hash)

    @property
    def pending(self) -> int:
        """How many passwords are being hashed or wait for it."""
        return sum(places.taken for places in (self._remote, self._local, self._changes, self._pins))

    def close(self) -> None:
        """Finish what is being computed and end the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _matches(self, password_hash: str, password: bytes) -> bool:
        if made_by_nymead := _NYMEAD.fullmatch(password_hash):
            _, salt, digest = made_by_nymead.groups()
            return hmac.compare_digest(_nymead_digest(password + salt.encode()), digest)
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, compute: Callable[[], T], admit: Callable[[], None] = lambda: None) -> T:
        async with self._slots:
            admit()
            return await asyncio.get_running_loop().run_in_executor(self._threads, compute)


class _Places:
    """So many places to wait in, of which one address may take its share."""

    def __init__(self, number: int, share: int) -> None:
        self._number = number
        self._share = share
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """How many are taken."""
        return self._taken.total()

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """A place, for as long as the block lasts. Raises Busy."""
        if self.taken >= self._number or self._taken[address] >= self._share:
            raise Busy("too many passwords wait for being hashed")
        self._taken[address] += 1
        try:
            yield
        finally:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]


def is_hash(text: str) -> bool:
    """Whether this is a hash that passwords can be checked against."""
    return _cost(text) is not None


def from_nymead(salt: str, digest: str) -> str:
    """A hash of nymead's, base64 of SHA-512 over a password and its salt, in the form in which it is kept here.

    Raises ValueError where it is none; no text in it has the hash.
    """
    password_hash = f"{NYMEAD}{salt}${digest}"
    if not _NYMEAD.fullmatch(password_hash):
        raise ValueError("the password's hash is none of nymead's")
    return password_hash


#: An encoded hash; the first group is its cost.
_ENCODED = re.compile(r"([$]argon2(?:id|i|d)[$]v=\d+[$]m=\d+,t=\d+,p=\d+[$])[A-Za-z0-9+/]+[$][A-Za-z0-9+/]+", re.ASCII)

#: One that nymead has made. The column of salts there is for 100 characters, and uuids are what is in it.
_NYMEAD = re.compile(r"([$]nymead-sha512[$])([!-#%-~]{1,100})[$]([A-Za-z0-9+/]{86}==)", re.ASCII)


def _cost(password_hash: str) -> str | None:
    """The beginning of a hash, up to its salt, which says what computing it takes; None if it is no hash."""
    encoded = _ENCODED.fullmatch(password_hash) or _NYMEAD.fullmatch(password_hash)
    return encoded[1] if encoded else None


def _decoy(cost: str) -> str:
    """A hash of this cost that no password fits."""
    if cost == NYMEAD:
        return from_nymead(str(uuid.uuid4()), _nymead_digest(secrets.token_bytes(SALT)))
    return f"{cost}{_base64(SALT)}${_base64(DIGEST)}"


def _nymead_digest(salted: bytes) -> str:
    return base64.b64encode(hashlib.sha512(salted).digest()).decode()


def _base64(size: int) -> str:
    """Random bytes as Argon2's encoded form has them: base64 without padding."""
    return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")


def _bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")
