from __future__ import annotations

import asyncio
import base64
import hashlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import argon2
import pytest
from conftest import CHEAP_ARGON2, PASSWORD, PATIENCE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nymead_users.app import running
from nymead_users.client import Client
from nymead_users.config import Settings
from nymead_users.identity.errors import Busy, TooManyAttempts
from nymead_users.identity.passwords import PINS, Passwords, from_nymead
from nymead_users.identity.policy import MAX_PASSWORD_BYTES
from nymead_users.storage.datadir import STORE

NO_ERROR = {"error": "UserErrorNoError"}


class Gated(Passwords):
    """Passwords whose computations wait at a gate, in their threads."""

    def __init__(self, **cost: int) -> None:
        super().__init__(**{**CHEAP_ARGON2, **cost})
        self.gate = threading.Event()
        self.computing = 0
        self.most = 0
        self.computed: list[bytes] = []
        self._count = threading.Lock()

    def _matches(self, password_hash: str, password: bytes) -> bool:
        with self._count:
            self.computing += 1
            self.most = max(self.most, self.computing)
        assert self.gate.wait(PATIENCE)
        self.computed.append(password)
        with self._count:
            self.computing -= 1
        return super()._matches(password_hash, password)

    def close(self) -> None:
        self.gate.set()
        super().close()


@asynccontextmanager
async def gated(**cost: int) -> AsyncIterator[Gated]:
    passwords = Gated(**cost)
    try:
        yield passwords
    finally:
        passwords.close()


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    """At the least cost."""
    cheap = Passwords(**CHEAP_ARGON2)
    yield cheap
    cheap.close()


async def turn() -> None:
    """Let every task run as far as it can without waiting for a thread."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_hash_fits_its_password_and_no_other(passwords: Passwords) -> None:
    """The right password is right; one letter more, fewer or in another case is wrong."""
    made = await passwords.hash(PASSWORD)
    assert await passwords.verify(PASSWORD, made)
    for wrong in (PASSWORD[:-1], PASSWORD + "1", PASSWORD.lower(), "", f"{PASSWORD}\x00", f" {PASSWORD}"):
        assert not await passwords.verify(wrong, made)


async def test_hashes_are_argon2id_at_the_configured_cost_with_salts(passwords: Passwords) -> None:
    """Two hashes of one password differ, and each says how it was made."""
    first, second = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
    assert first != second
    parameters = argon2.extract_parameters(first)
    assert (parameters.type, parameters.time_cost, parameters.memory_cost) == (argon2.Type.ID, 1, 8)
    assert parameters.salt_len >= 16
    assert parameters.hash_len >= 32


async def test_without_a_hash_every_password_is_wrong(passwords: Passwords) -> None:
    """Nobody's password is not even the empty one."""
    for password in ("", PASSWORD, "x" * 5000):
        assert await passwords.verify(password, None) is False


@pytest.mark.parametrize("broken", ["", "plain", "$argon2id$v=19$m=8,t=1,p=1$", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_a_broken_hash_fits_nothing(passwords: Passwords, broken: str) -> None:
    """A stored hash that is none lets nobody in, and raises nothing."""
    for password in ("", PASSWORD, broken):
        assert await passwords.verify(password, broken) is False


async def test_no_more_than_the_longest_password_counts(passwords: Passwords) -> None:
    """A password beyond the limit is wrong even where it begins like the right one, and is not hashed in full."""
    longest = "Aa1" + "x" * (MAX_PASSWORD_BYTES - 3)
    made = await passwords.hash(longest)
    assert await passwords.verify(longest, made)
    assert not await passwords.verify(longest + "x", made)
    assert not await passwords.verify(longest * 1000, made)
    # The limit is in bytes.
    wide = "\u00e4" * (MAX_PASSWORD_BYTES // 2)
    made = await passwords.hash(wide)
    assert await passwords.verify(wide, made)
    assert not await passwords.verify(wide + "\u00e4", made)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=60), st.text(max_size=60))
@example("\ud800", "\ud801")
@example("a\x00b", "a")
@example("\u00e9", "e\u0301")
@example("\u212a", "K")
def test_passwords_are_told_apart_by_every_character(one: str, other: str) -> None:
    """Any text can be a password, and fits only itself: nothing is trimmed, folded or normalised."""

    async def check() -> None:
        passwords = Passwords(**CHEAP_ARGON2)
        try:
            made = await passwords.hash(one)
            assert await passwords.verify(one, made)
            assert await passwords.verify(other, made) is (one == other)
        finally:
            passwords.close()

    asyncio.run(check())


async def test_at_most_so_many_are_computed_at_once() -> None:
    """However many wait, no more than the configured number is computed, and each takes its memory."""
    async with gated(workers=3, queue=50) as passwords:
        waiting = [asyncio.create_task(passwords.verify(PASSWORD, None)) for _ in range(20)]
        await turn()
        passwords.gate.set()
        await asyncio.gather(*waiting)
        assert 1 <= passwords.most <= 3


async def test_the_queue_is_bounded() -> None:
    """Beyond those that are computed and those that may wait, the next one is told at once that it is busy."""
    async with gated(workers=2, queue=3) as passwords:
        waiting = [asyncio.create_task(passwords.verify(PASSWORD, None)) for _ in range(5)]
        await turn()
        with pytest.raises(Busy):
            await passwords.verify(PASSWORD, None)
        passwords.gate.set()
        assert await asyncio.gather(*waiting) == [False] * 5
        assert await passwords.verify(PASSWORD, None) is False


async def test_one_address_fills_its_share_of_the_queue_and_no_more() -> None:
    """Of eight places one address on the network takes two, others take theirs, and all of them no more than eight."""
    async with gated(workers=2, queue=6) as passwords:
        waiting: list[asyncio.Task[bool]] = []
        for network in "abcd":
            waiting += [asyncio.create_task(passwords.verify(PASSWORD, None, network=network)) for _ in range(2)]
            await turn()
            with pytest.raises(Busy):
                await passwords.verify(PASSWORD, None, network=network)
        with pytest.raises(Busy):
            await passwords.verify(PASSWORD, None, network="e")
        passwords.gate.set()
        assert await asyncio.gather(*waiting) == [False] * 8
        assert await passwords.verify(PASSWORD, None, network="a") is False


async def test_one_address_may_always_log_in_once() -> None:
    """However short the queue, its share is a place at least."""
    async with gated(workers=1, queue=0) as passwords:
        waiting = asyncio.create_task(passwords.verify(PASSWORD, None, network="a"))
        await turn()
        assert not waiting.done()
        passwords.gate.set()
        assert await waiting is False


async def test_logins_from_this_machine_and_new_hashes_have_places_of_their_own() -> None:
    """A queue full of the network's logins keeps neither the machine's own out nor whoever sets a password."""
    async with gated(workers=1, queue=3) as passwords:
        waiting = [asyncio.create_task(passwords.verify(PASSWORD, None, network=network)) for network in "abcd"]
        await turn()
        waiting += [asyncio.create_task(passwords.verify(PASSWORD, None)) for _ in range(4)]
        hashes = [asyncio.create_task(passwords.hash(PASSWORD)) for _ in range(4)]
        await turn()
        with pytest.raises(Busy):
            await passwords.verify(PASSWORD, None)
        with pytest.raises(Busy):
            await passwords.hash(PASSWORD)
        passwords.gate.set()
        assert await asyncio.gather(*waiting) == [False] * 8
        assert len(set(await asyncio.gather(*hashes))) == 4


async def test_passwords_are_computed_in_the_order_in_which_they_came() -> None:
    """Nobody overtakes in the queue."""
    async with gated(workers=1, queue=50) as passwords:
        names = [f"password {number}" for number in range(20)]
        waiting = [asyncio.create_task(passwords.verify(name, None)) for name in names]
        await turn()
        passwords.gate.set()
        await asyncio.gather(*waiting)
        assert passwords.computed == [name.encode() for name in names]


async def test_whoever_gives_up_waiting_makes_room() -> None:
    """A cancelled wait leaves the queue, and those behind it go on."""
    async with gated(workers=1, queue=2) as passwords:
        waiting = [asyncio.create_task(passwords.verify(f"{number}", None)) for number in range(3)]
        await turn()
        waiting[1].cancel()
        await turn()
        late = asyncio.create_task(passwords.verify("late", None))
        await turn()
        assert not late.done()
        passwords.gate.set()
        assert await late is False
        assert await waiting[2] is False
        assert passwords.computed == [b"0", b"2", b"late"]


async def test_who_is_not_admitted_costs_nothing() -> None:
    """Whoever is refused when it is their turn costs no computation, and the next one's turn comes."""
    admitted: list[str] = []

    def admit(name: str) -> Callable[[], None]:
        def ask() -> None:
            admitted.append(name)
            if name == "second":
                raise TooManyAttempts(1.0)

        return ask

    async with gated(workers=1, queue=5) as passwords:
        names = ["first", "second", "third"]
        waiting = [asyncio.create_task(passwords.verify(name, None, admit=admit(name))) for name in names]
        await turn()
        assert admitted == ["first"]
        passwords.gate.set()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert isinstance(answers[1], TooManyAttempts)
        assert (answers[0], answers[2]) == (False, False)
        assert passwords.computed == [b"first", b"third"]
        assert admitted == names


async def test_the_event_loop_goes_on_while_passwords_are_computed() -> None:
    """Computing takes place in threads: everything else goes on."""
    async with gated(workers=1) as passwords:
        waiting = asyncio.create_task(passwords.verify(PASSWORD, None))
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not waiting.done()
        passwords.gate.set()
        await waiting


def test_closing_ends_the_threads() -> None:
    """After the end no thread keeps the process alive."""

    async def use() -> None:
        passwords = Passwords(**CHEAP_ARGON2)
        await passwords.hash(PASSWORD)
        passwords.close()

    before = set(threading.enumerate())
    asyncio.run(use())
    assert [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("argon2")] == []


@pytest.mark.parametrize(
    "changed", [{"time_cost": 2}, {"memory_cost": 16}, {"memory_cost": 16, "parallelism": 2}, {"workers": 7}]
)
async def test_a_hash_of_another_cost_is_outdated(passwords: Passwords, changed: dict[str, int]) -> None:
    """A hash is outdated exactly if it would be made in another way today, and it still fits until then."""
    others = Passwords(**{**CHEAP_ARGON2, **changed})
    try:
        made = await others.hash(PASSWORD)
        assert others.outdated(made) is False
        assert passwords.outdated(made) is ("workers" not in changed)
        assert await passwords.verify(PASSWORD, made)
    finally:
        others.close()


# Hashes that nymead has made


def by_nymead(password: str, salt: str = "0a1b2c3d-0000-4000-8000-00000000000a") -> str:
    """A hash as nymead makes it, in the form in which it is kept here."""
    return from_nymead(salt, base64.b64encode(hashlib.sha512((password + salt).encode()).digest()).decode())


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.text(max_size=60))
@example("short", "Short")
@example("\u00e4\U0001f511", "\u00e4")
def test_a_hash_of_nymead_fits_its_password_and_no_other(one: str, other: str) -> None:
    """Whatever the password is, weak ones included: nymead's hash of it fits it alone, and is to be renewed."""

    async def check() -> None:
        passwords = Passwords(**CHEAP_ARGON2)
        try:
            made = by_nymead(one)
            assert await passwords.verify(one, made)
            assert await passwords.verify(other, made) is (one == other)
            assert passwords.outdated(made)
        finally:
            passwords.close()

    asyncio.run(check())


async def test_a_hash_of_nymead_is_checked_beside_one_of_every_cost() -> None:
    """Checking it computes what every check does, and once it is expected every check does what checking it takes."""
    async with gated() as passwords:
        passwords.gate.set()
        made = by_nymead(PASSWORD)
        for expected, ours, anybodys in (((), 2, 1), ((made,), 2, 2)):
            passwords.expect(expected)
            for password in (PASSWORD, "Wr0ngwrong"):
                for password_hash, computed in ((made, ours), (None, anybodys), ("$none", anybodys)):
                    passwords.computed.clear()
                    assert await passwords.verify(password, password_hash) is (
                        (password, password_hash) == (PASSWORD, made)
                    )
                    assert passwords.computed == [password.encode()] * computed


DIGEST_TEXT = "A" * 86 + "=="


@pytest.mark.parametrize(
    ("salt", "digest"),
    [
        ("", DIGEST_TEXT),
        ("salt", ""),
        ("sa$lt", DIGEST_TEXT),
        ("sa lt", DIGEST_TEXT),
        ("s\u00e4lt", DIGEST_TEXT),
        ("salt\n", DIGEST_TEXT),
        ("s" * 101, DIGEST_TEXT),
        ("salt", DIGEST_TEXT[:-1]),
        ("salt", DIGEST_TEXT + "\n"),
        ("salt", "A" * 88),
        ("salt", "A" * 43 + "="),
        ("salt", "-" * 86 + "=="),
    ],
)
def test_what_is_no_hash_of_nymead_is_refused_in_words_without_it(salt: str, digest: str) -> None:
    """A salt or a digest of another form makes no hash, and the refusal shows neither."""
    with pytest.raises(ValueError, match=r"^the password's hash is none of nymead's$"):
        from_nymead(salt, digest)
    from_nymead("salt", DIGEST_TEXT)


# Over restarts of a server, with the cost moved on


def stored_cost(data_dir: Path, username: str) -> tuple[int, int, int]:
    """The cost of a user's stored hash: time, memory, parallelism."""
    database = sqlite3.connect(data_dir / STORE)
    try:
        (made,) = database.execute("SELECT password_hash FROM users WHERE username = ?", (username,)).fetchone()
    finally:
        database.close()
    parameters = argon2.extract_parameters(made)
    return parameters.time_cost, parameters.memory_cost, parameters.parallelism


@asynccontextmanager
async def a_run(data_dir: Path, **cost: int) -> AsyncIterator[Callable[[], Any]]:
    """One run of a real server at this cost; a function that connects to it."""
    chosen = Settings(data_dir=data_dir, listeners=["nymea://127.0.0.1:0"], argon2={**CHEAP_ARGON2, **cost})
    clients: list[Client] = []
    async with running(chosen) as up:

        async def connect() -> Client:
            client = await Client.connect(str(up.endpoints[0]))
            clients.append(client)
            await client.hello()
            return client

        yield connect
        for client in clients:
            await client.close()


async def test_a_login_renews_a_hash_whose_cost_has_moved_on(tmp_path: Path) -> None:
    """After a restart at another cost a login makes that user's hash anew, once, up or down; others stay."""
    data_dir = tmp_path / "data"
    async with a_run(data_dir) as connect:
        client = await connect()
        user = {"username": "admin", "password": PASSWORD}
        assert await client.call("JSONRPC.CreateUser", user) == NO_ERROR
        assert await client.authenticate("admin", PASSWORD, "phone") is not None
        assert await client.call("Users.CreateUser", {**user, "username": "bob"}) == NO_ERROR
    for cost in ((2, 16, 1), (3, 32, 2), (1, 8, 1)):
        before = stored_cost(data_dir, "bob")
        time_cost, memory_cost, parallelism = cost
        async with a_run(data_dir, time_cost=time_cost, memory_cost=memory_cost, parallelism=parallelism) as connect:
            client = await connect()
            for _ in range(2):
                assert await client.authenticate("admin", PASSWORD, "phone") is not None
                assert stored_cost(data_dir, "admin") == cost
        assert stored_cost(data_dir, "bob") == before


async def test_a_wrong_password_renews_nothing(tmp_path: Path) -> None:
    """A failed login leaves an outdated hash as it is, and the right password still fits it."""
    data_dir = tmp_path / "data"
    async with a_run(data_dir) as connect:
        client = await connect()
        await client.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD})
    async with a_run(data_dir, time_cost=2) as connect:
        client = await connect()
        assert await client.authenticate("admin", "Wr0ngwrong", "phone") is None
        assert stored_cost(data_dir, "admin") == (1, 8, 1)
        assert await client.authenticate("admin", PASSWORD, "phone") is not None
        assert await client.authenticate("admin", "Wr0ngwrong", "phone") is None


async def test_renewing_a_hash_logs_nobody_out(tmp_path: Path) -> None:
    """Tokens made before a hash is renewed stay valid: the password has not changed."""
    data_dir = tmp_path / "data"
    async with a_run(data_dir) as connect:
        client = await connect()
        await client.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD})
        login = await client.authenticate("admin", PASSWORD, "phone")
        assert login is not None
    async with a_run(data_dir, memory_cost=32) as connect:
        phone = await connect()
        assert (await phone.hello(token=login.token))["authenticated"] is True
        assert await (await connect()).authenticate("admin", PASSWORD, "tablet") is not None
        assert len((await phone.call("Users.GetTokens"))["tokenInfoList"]) == 2


async def test_a_new_password_is_hashed_at_the_present_cost(tmp_path: Path) -> None:
    """A changed password and a new user have hashes of today's cost."""
    data_dir = tmp_path / "data"
    async with a_run(data_dir) as connect:
        client = await connect()
        await client.call("JSONRPC.CreateUser", {"username": "admin", "password": PASSWORD})
        login = await client.authenticate("admin", PASSWORD, "phone")
        assert login is not None
    async with a_run(data_dir, time_cost=2) as connect:
        client = await connect()
        await client.hello(token=login.token)
        assert await client.call("Users.ChangePassword", {"newPassword": "An0therOne"}) == NO_ERROR
        assert await client.call("Users.CreateUser", {"username": "bob", "password": PASSWORD}) == NO_ERROR
        assert stored_cost(data_dir, "admin") == stored_cost(data_dir, "bob") == (2, 8, 1)


async def test_pins_take_the_places_of_no_logins(passwords: Passwords) -> None:
    """One who reports PINs without pause is turned away; others' PINs, logins and new passwords still have places."""
    made = await passwords.hash("1234")
    flood = [asyncio.ensure_future(passwords.verify_pin("1234", made, by="a bridge")) for _ in range(PINS)]
    await turn()
    others = (
        passwords.verify_pin("4321", made, by="another"),
        passwords.verify(PASSWORD, made, network="203.0.113.1"),
        passwords.verify(PASSWORD, made),
    )
    assert not any(await asyncio.gather(*others))
    results = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(result is True for result in results) == PINS // 4
    assert sum(isinstance(result, Busy) for result in results) == PINS - PINS // 4
