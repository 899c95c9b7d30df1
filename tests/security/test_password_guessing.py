"""An attacker guesses passwords; the user logs in meanwhile."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from conftest import PASSWORD, Dialect, Raw, Server, StartServer, Transport
from house import ELSEWHERE, HOME, STERN, a_home, a_house, connect_from, greeted, request, tally

from nymead_users.client import Client, TooManyAttempts, Unauthorized

ATTACKER, OWNER = "127.0.0.2", "127.0.0.1"
WRONG = "Wr0ngwrong"


@pytest.fixture
async def stern(start_server: StartServer) -> Server:
    """A home whose delays outlast the test."""
    server = await start_server(throttling=STERN)
    await server.set_up()
    return server


async def guess(client: Client, username: str = "admin", password: str = WRONG) -> None:
    """A guess that is looked at, and wrong."""
    assert await client.authenticate(username, password, "guess") is None


async def exhausted(client: Client, username: str = "admin") -> None:
    """Guess until nothing is free any more."""
    for _ in range(4):
        await guess(client, username)


async def test_three_wrong_passwords_cost_nothing_and_then_delays_begin(
    stern: Server, transport: Transport, dialect: Dialect
) -> None:
    """After three wrong passwords in a row a login is still looked at; after the fourth it has to wait."""
    attacker = await connect_from(ATTACKER, stern, transport, dialect)
    for _ in range(3):
        await guess(attacker)
    await guess(attacker)
    with pytest.raises(TooManyAttempts) as refused:
        await attacker.authenticate("admin", PASSWORD, "guess")
    assert 590 < refused.value.retry_after <= 600
    assert refused.value.message == f"Too many attempts. Try again in {refused.value.retry_after} s."
    if dialect == "jsonrpc2":
        assert refused.value.code == -32004
        assert refused.value.data == {"retryAfter": refused.value.retry_after}


@pytest.mark.loaded
async def test_the_right_password_after_three_wrong_ones_is_let_in_at_once(stern: Server) -> None:
    """An owner who mistypes three times and then gets it right has lost nothing, and may mistype again."""
    owner = await stern.client()
    for _ in range(3):
        for _ in range(3):
            await guess(owner)
        assert await owner.authenticate("admin", PASSWORD, "phone") is not None


async def test_guesses_slow_down_no_other_address(stern: Server, transport: Transport, dialect: Dialect) -> None:
    """Under attack from elsewhere the owner logs in at once, from an address that has logged in before."""
    owner = await connect_from(OWNER, stern, transport, dialect)
    assert await owner.authenticate("admin", PASSWORD, "phone") is not None
    attacker = await connect_from(ATTACKER, stern, transport, dialect)
    await exhausted(attacker)
    with pytest.raises(TooManyAttempts):
        await attacker.authenticate("admin", WRONG, "guess")
    again = await connect_from(OWNER, stern, transport, dialect)
    assert await again.authenticate("admin", PASSWORD, "tablet") is not None
    # Not even the owner's own slips are held against them more than anybody's.
    for _ in range(3):
        await guess(again)
    assert await again.authenticate("admin", PASSWORD, "tablet") is not None


async def test_guesses_at_one_account_slow_down_no_other_account_elsewhere(stern: Server) -> None:
    """Another user's first login, from an address that nobody knows, does not suffer from an attack on a housemate."""
    await stern.add_user("bob")
    await exhausted(await connect_from(ATTACKER, stern, "tcp", "nymea"))
    bob = await connect_from("127.0.0.3", stern, "tcp", "nymea")
    assert await bob.authenticate("bob", PASSWORD, "phone") is not None


async def test_an_attack_from_many_addresses_slows_down_the_account(stern: Server) -> None:
    """Guesses at one account count together wherever they come from, in any spelling of its name."""
    addresses = [f"127.0.0.{i}" for i in range(10, 14)]
    for address, name in zip(addresses, ("admin", "ADMIN", "Admin", "aDmIn"), strict=True):
        await guess(await connect_from(address, stern, "tcp", "nymea"), name)
    fresh = await connect_from("127.0.0.20", stern, "ws", "jsonrpc2")
    with pytest.raises(TooManyAttempts):
        await fresh.authenticate("admin", PASSWORD, "guess")


async def test_one_address_cannot_try_one_password_on_many_accounts(stern: Server) -> None:
    """Guesses from one address count together whomever they are for, and whether or not that user exists."""
    attacker = await connect_from(ATTACKER, stern, "tcp", "nymea")
    for username in ("admin", "nobody", "", "x" * 5000):
        await guess(attacker, username)
    with pytest.raises(TooManyAttempts):
        await attacker.authenticate("somebody", WRONG, "guess")


async def test_other_ways_in_do_not_start_afresh(stern: Server) -> None:
    """Neither a new connection, nor another transport, dialect or spelling of the method gives new attempts."""
    await exhausted(await connect_from(ATTACKER, stern, "tcp", "nymea"))
    for transport, dialect in itertools.product(("tcp", "ws"), ("nymea", "jsonrpc2")):
        client = await connect_from(ATTACKER, stern, transport, dialect)  # type: ignore[arg-type]
        for method in ("JSONRPC.Authenticate", "Users.Authenticate"):
            with pytest.raises(TooManyAttempts):
                await client.call(method, {"username": "admin", "password": PASSWORD, "deviceName": "guess"})


async def test_an_attackers_own_logins_do_not_wash_off_guesses(stern: Server) -> None:
    """An attacker with an account of their own cannot reset the count of guesses at others by logging in."""
    await stern.add_user("mallory")
    attacker = await connect_from(ATTACKER, stern, "tcp", "nymea")
    for _ in range(4):
        assert await attacker.authenticate("mallory", PASSWORD, "phone") is not None
        await guess(attacker)
    with pytest.raises(TooManyAttempts):
        await attacker.authenticate("mallory", PASSWORD, "phone")


async def test_an_attackers_own_logins_do_not_make_their_address_the_owners(stern: Server) -> None:
    """An address is known to the account that logged in from it, and to no other."""
    await stern.add_user("mallory")
    attackers = [await connect_from(f"127.0.0.{i}", stern, "tcp", "nymea") for i in range(10, 15)]
    for attacker in attackers:
        assert await attacker.authenticate("mallory", PASSWORD, "phone") is not None
    for attacker in attackers[:4]:
        await guess(attacker)
    with pytest.raises(TooManyAttempts):
        await attackers[4].authenticate("admin", WRONG, "guess")


@pytest.mark.loaded
async def test_a_wrong_token_costs_nothing(stern: Server, transport: Transport, dialect: Dialect) -> None:
    """An old phone that keeps trying a revoked token does not keep its owner from logging in by password."""
    for _ in range(8):
        phone = await stern.client(transport, dialect, hello=False)
        assert (await phone.hello(token="revoked"))["authenticated"] is False
        with pytest.raises(Unauthorized, match="Forbidden: Invalid token"):
            await phone.call("Users.GetUserInfo")
        await phone.close()
    owner = await stern.client(transport, dialect)
    for _ in range(3):
        await guess(owner)
    assert await owner.authenticate("admin", PASSWORD, "phone") is not None


async def test_parallel_guesses_do_not_outrun_the_delay(start_server: StartServer) -> None:
    """Of many guesses at once from one address, hardly more are looked at than of guesses one by one."""
    workers = 2
    argon2 = {"time_cost": 2, "memory_cost": 4096, "parallelism": 1, "workers": workers, "queue": 128}
    server = await start_server(throttling=STERN, argon2=argon2)
    await server.set_up()
    attackers = [await connect_from(ATTACKER, server, "tcp", "nymea") for _ in range(40)]

    async def attempt(client: Client) -> str:
        try:
            return str(await client.authenticate("admin", WRONG, "guess"))
        except TooManyAttempts:
            return "refused"

    answers = await asyncio.gather(*map(attempt, attackers))
    assert set(answers) <= {"None", "refused"}
    # Four one by one; those that are computed when the fourth is found wrong come on top.
    assert answers.count("None") <= 4 + workers
    owner = await connect_from(OWNER, server, "tcp", "nymea")
    with pytest.raises(TooManyAttempts):
        # Never seen at this address: the account is under attack.
        await owner.authenticate("admin", PASSWORD, "phone")


async def test_guesses_sent_ahead_on_one_connection_do_not_outrun_the_delay(stern: Server) -> None:
    """Guesses in one go, in a batch or one after the other, are answered like those that wait for their answers."""
    raw = await greeted(stern)
    guesses = [
        request("JSONRPC.Authenticate", [f"user{i}", WRONG, "guess"], dialect="jsonrpc2", number=i) for i in range(50)
    ]
    batch = tally(await raw.ask(guesses))
    assert batch["False"] == 4
    assert sum(batch.values()) == 50
    assert all(kind == "False" or kind.startswith("Too many attempts") for kind in batch)


async def test_an_attackers_guesses_do_not_delay_the_owners_login_by_a_queue_of_theirs(tmp_path: Path) -> None:
    """Guesses that come too early are refused before they are hashed: the owner's login does not queue behind them."""
    async with a_home(tmp_path, cost={"workers": 1}) as house:
        owner = await house.login(address=HOME)
        attackers = [house.phone(address=ELSEWHERE) for _ in range(30)]
        house.passwords.hold()
        attack = asyncio.gather(*(attacker.authenticate("admin", WRONG) for attacker in attackers))
        await house.passwords.queued(30)
        login = asyncio.create_task(owner.authenticate("admin"))
        await house.passwords.queued(31)
        before = len(house.passwords.work)
        house.passwords.release()
        assert (await login)["params"]["success"] is True
        assert len(house.passwords.work) - before <= 4 + 1 + 1
        kinds = tally(await attack)
        assert kinds["False"] <= 4 + 1


async def test_what_is_refused_is_not_hashed(tmp_path: Path) -> None:
    """While an address has to wait, its attempts cost the server no computation, right or wrong."""
    async with a_home(tmp_path) as house:
        attacker = house.phone(address=ELSEWHERE)
        for _ in range(4):
            await attacker.authenticate("admin", WRONG)
        before = len(house.passwords.work)
        replies = [await attacker.authenticate(name, PASSWORD) for name in ("admin", "nobody", "") * 20]
        assert len(house.passwords.work) == before
        assert set(tally(replies)) == {"Too many attempts. Try again in 600 s."}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_delays_grow_with_every_further_guess(tmp_path: Path) -> None:
    """An attacker who waits exactly as long as told has to wait longer each time, up to the longest delay."""
    clock = Clock()
    defaults = {"free_attempts": 3, "first_delay": 1.0, "max_delay": 300.0, "forget_after": 900.0, "clock": clock}
    async with a_home(tmp_path, throttling=defaults) as house:
        attacker = house.phone("jsonrpc2", address=ELSEWHERE)
        waits = []
        for _ in range(16):
            reply = await attacker.authenticate("admin", WRONG)
            if "error" in reply:
                waits.append(reply["error"]["data"]["retryAfter"])
                clock.now += waits[-1]
                reply = await attacker.authenticate("admin", WRONG)
            assert reply["result"] == {"success": False}
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


async def test_who_has_to_wait_is_let_in_after_the_time_that_was_told(tmp_path: Path) -> None:
    """The seconds in the refusal are enough: after them the right password is let in."""
    clock = Clock()
    async with a_home(tmp_path, throttling={"clock": clock}) as house:
        owner = house.phone("jsonrpc2")
        for _ in range(4):
            await owner.authenticate("admin", WRONG)
        clock.now += 0.5
        wait = (await owner.authenticate("admin"))["error"]["data"]["retryAfter"]
        clock.now += wait
        assert (await owner.authenticate("admin"))["result"]["success"] is True


async def test_the_owners_addresses_are_remembered_over_a_restart(tmp_path: Path) -> None:
    """An address that logged in before a restart stays open under an attack after it."""
    async with a_home(tmp_path) as house:
        await house.login(address=HOME)
    async with a_house(tmp_path) as house:
        for i in range(4):
            await house.phone(address=f"203.0.113.{i}").authenticate("admin", WRONG)
        assert "Too many attempts" in str(await house.phone(address=ELSEWHERE).authenticate("admin"))
        assert (await house.phone(address=HOME).authenticate("admin"))["params"]["success"] is True


async def test_no_secret_of_another_way_in_is_told_by_the_refusal(stern: Server) -> None:
    """The refusal of an attempt is the same for a user who exists and for one who does not."""
    raws: list[Raw] = []
    for username in ("admin", "nobody"):
        raw = await greeted(stern, "ws", local_addr=(f"127.0.0.{30 + len(raws)}", 0))
        for number in range(4):
            params = {"username": username, "password": WRONG, "deviceName": "guess"}
            reply = await raw.ask(request("JSONRPC.Authenticate", params, number=number))
            assert reply["params"] == {"success": False}
        raws.append(raw)
    texts = []
    for raw, username in zip(raws, ("admin", "nobody"), strict=True):
        params = {"username": username, "password": WRONG, "deviceName": "guess"}
        texts.append((await raw.ask(request("JSONRPC.Authenticate", params)))["error"].rpartition(" in ")[0])
    assert texts == ["Too many attempts. Try again"] * 2
