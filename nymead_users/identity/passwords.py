"""Hashing and checking passwords with Argon2id, in worker threads, behind a bounded queue."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from nymead_users.identity.errors import Busy
from nymead_users.identity.policy import MAX_PASSWORD_BYTES

T = TypeVar("T")


class Passwords:
    """Argon2id (RFC 9106) at the configured cost.

    At most ``workers`` hashes are computed at once, each taking ``memory_cost`` KiB; at most ``queue``
    more wait, in the order in which they came. Beyond that, Busy.
    """

    def __init__(self, *, time_cost: int, memory_cost: int, parallelism: int, workers: int, queue: int) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="argon2")
        self._slots = asyncio.Semaphore(workers)
        self._capacity = workers + queue
        self._pending = 0
        # Nobody's password, at the present cost: checking it takes as long as checking anybody's.
        self._nobodys_hash = (
            f"$argon2id$v=19$m={memory_cost},t={time_cost},p={parallelism}"
            f"${_base64(self._hasher.salt_len)}${_base64(self._hasher.hash_len)}"
        )

    async def hash(self, password: str) -> str:
        """A new hash of a password. Raises Busy."""
        return await self._run(lambda: self._hasher.hash(_bytes(password)))

    async def verify(
        self, password: str, password_hash: str | None, *, admit: Callable[[], None] = lambda: None
    ) -> bool:
        """Whether the password is right. Without a hash it is wrong, and costs as much time.

        ``admit`` is asked when it is this password's turn and may raise, before any time is spent on it.
        Raises Busy.
        """
        known = password_hash is not None and len(_bytes(password)) <= MAX_PASSWORD_BYTES
        held_against = password_hash if known and password_hash is not None else self._nobodys_hash
        secret = _bytes(password)[:MAX_PASSWORD_BYTES]
        return await self._run(lambda: self._matches(held_against, secret), admit) and known

    def outdated(self, password_hash: str) -> bool:
        """Whether a hash was made at another cost than the present one."""
        return self._hasher.check_needs_rehash(password_hash)

    @property
    def pending(self) -> int:
        """How many passwords are being hashed or wait for it."""
        return self._pending

    def close(self) -> None:
        """Finish what is being computed and end the threads."""
        self._threads.shutdown(cancel_futures=True)

    def _matches(self, password_hash: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, compute: Callable[[], T], admit: Callable[[], None] = lambda: None) -> T:
        if self._pending >= self._capacity:
            raise Busy("too many passwords wait for being hashed")
        self._pending += 1
        try:
            async with self._slots:
                admit()
                return await asyncio.get_running_loop().run_in_executor(self._threads, compute)
        finally:
            self._pending -= 1


def _base64(size: int) -> str:
    """Random bytes as Argon2's encoded form has them: base64 without padding."""
    return base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")


def _bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")
