from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nymead_users.identity.pushbutton import PushButton
from nymead_users.identity.tokens import NewToken, mint
from nymead_users.storage.errors import StoreError


@dataclass
class Somebody:
    """Who asks for the button to be pressed, and what they are told."""

    there: bool = True
    told: list[tuple[int, str | None]] = field(default_factory=list)
    delivery: Callable[[], Awaitable[None]] | None = None

    def failed(self, transaction_id: int) -> None:
        self.told.append((transaction_id, None))

    async def granted(self, transaction_id: int, token: str) -> bool:
        if self.delivery is not None:
            await self.delivery()
        if self.there:
            self.told.append((transaction_id, token))
        return self.there


class Registrar:
    """Makes tokens and takes them back; ``live`` are those that are valid."""

    def __init__(self) -> None:
        self.live: dict[uuid.UUID, NewToken] = {}
        self.before: Callable[[], Awaitable[None]] | None = None

    async def mint(self, device_name: str) -> NewToken:
        if self.before is not None:
            await self.before()
        token = mint(device_name)
        self.live[token.id] = token
        return token

    async def revoke(self, token: NewToken) -> None:
        del self.live[token.id]

    def values(self) -> list[str]:
        return [token.value for token in self.live.values()]


@pytest.fixture
def registrar() -> Registrar:
    return Registrar()


@pytest.fixture
def button(registrar: Registrar) -> PushButton:
    """A button that is there."""
    return PushButton(available=True, mint=registrar.mint, revoke=registrar.revoke)


async def test_a_press_gives_who_waits_a_token(button: PushButton, registrar: Registrar) -> None:
    """The one who waits gets a live token for the device it named."""
    owner = Somebody()
    transaction = button.request("owner's phone", owner)
    assert await button.press() is True
    (token,) = registrar.live.values()
    assert owner.told == [(transaction, token.value)]
    assert token.device_name == "owner's phone"


async def test_a_press_with_nobody_waiting_does_nothing(button: PushButton, registrar: Registrar) -> None:
    """A press is not kept for whoever asks next."""
    assert await button.press() is False
    owner = Somebody()
    button.request("phone", owner)
    assert owner.told == []
    assert registrar.live == {}


async def test_a_press_is_used_up(button: PushButton, registrar: Registrar) -> None:
    """One request is served once."""
    owner = Somebody()
    button.request("phone", owner)
    assert [await button.press(), await button.press()] == [True, False]
    assert len(owner.told) == 1
    assert len(registrar.live) == 1


async def test_presses_at_once_serve_one(button: PushButton, registrar: Registrar) -> None:
    """Of presses at the same moment only one finds the requester."""
    owner = Somebody()
    button.request("phone", owner)

    async def pause() -> None:
        await asyncio.sleep(0)

    registrar.before = pause
    assert sorted(await asyncio.gather(*(button.press() for _ in range(5)))) == [False] * 4 + [True]
    assert len(registrar.live) == 1


async def test_the_newest_request_wins_and_the_older_is_told(button: PushButton, registrar: Registrar) -> None:
    """A displaced requester is told within the displacing request, and gets nothing of the press."""
    first, second = Somebody(), Somebody()
    one = button.request("phone", first)
    two = button.request("tablet", second)
    assert one != two
    assert first.told == [(one, None)]
    assert await button.press() is True
    assert first.told == [(one, None)]
    assert second.told == [(two, registrar.values()[0])]


async def test_asking_twice_displaces_oneself(button: PushButton) -> None:
    """Who asks again is told that the first transaction is over, by its own number."""
    owner = Somebody()
    transactions = [button.request("phone", owner) for _ in range(3)]
    assert owner.told == [(transaction, None) for transaction in transactions[:2]]
    assert len(set(transactions)) == 3


async def test_a_cancelled_request_is_not_served(button: PushButton, registrar: Registrar) -> None:
    """Who has gone is neither served nor told, and whom it displaced does not come back."""
    displaced, owner = Somebody(), Somebody()
    button.request("phone", displaced)
    button.cancel(button.request("phone", owner))
    assert await button.press() is False
    assert owner.told == []
    assert len(displaced.told) == 1
    assert registrar.live == {}


async def test_cancelling_what_is_over_cancels_nothing_else(button: PushButton) -> None:
    """A late cancellation of a displaced or served transaction leaves the present one alone."""
    first, second = Somebody(), Somebody()
    one = button.request("phone", first)
    two = button.request("phone", second)
    button.cancel(one)
    button.cancel(12345)
    assert await button.press() is True
    three = button.request("phone", first)
    button.cancel(two)
    assert await button.press() is True
    assert first.told[-1][0] == three


async def test_a_token_that_cannot_be_handed_over_is_taken_back(button: PushButton, registrar: Registrar) -> None:
    """If the requester has gone by the time of the token, no live token is left."""
    button.request("phone", Somebody(there=False))
    assert await button.press() is False
    assert registrar.live == {}


async def test_a_requester_that_goes_during_delivery_leaves_no_token(button: PushButton, registrar: Registrar) -> None:
    """If the requester goes while the token is being handed over, it is taken back."""
    owner = Somebody()

    async def leave() -> None:
        await asyncio.sleep(0)
        owner.there = False

    owner.delivery = leave
    button.request("phone", owner)
    assert await button.press() is False
    assert registrar.live == {}


async def test_a_delivery_that_fails_leaves_no_token_and_nobody_waiting(
    button: PushButton, registrar: Registrar
) -> None:
    """If handing over fails, as when the store does, the token is taken back and the requester told that it is over."""
    owner = Somebody()

    async def fail() -> None:
        raise StoreError("disk I/O error")

    owner.delivery = fail
    transaction = button.request("phone", owner)
    with pytest.raises(StoreError):
        await button.press()
    assert registrar.live == {}
    assert owner.told == [(transaction, None)]


async def test_a_token_that_cannot_be_made_ends_the_wait(button: PushButton, registrar: Registrar) -> None:
    """If no token can be made the requester is told that it is over, rather than waiting for ever."""
    owner = Somebody()

    async def fail() -> None:
        raise StoreError("disk full")

    registrar.before = fail
    transaction = button.request("phone", owner)
    with pytest.raises(StoreError):
        await button.press()
    assert owner.told == [(transaction, None)]
    registrar.before = None
    assert await button.press() is False


async def test_who_asks_while_a_token_is_made_waits_for_the_next_press(
    button: PushButton, registrar: Registrar
) -> None:
    """A request that comes in the middle of a press does not get that press's token, nor lose it for who waited."""
    owner, late = Somebody(), Somebody()
    asked: list[int] = []

    async def ask() -> None:
        if not asked:
            asked.append(button.request("late phone", late))

    one = button.request("phone", owner)
    registrar.before = ask
    assert await button.press() is True
    assert owner.told == [(one, registrar.values()[0])]
    assert late.told == []
    assert await button.press() is True
    assert late.told == [(asked[0], registrar.values()[1])]


async def test_a_button_that_is_not_there_gives_nothing(registrar: Registrar) -> None:
    """Where the button is switched off a press gives no token, whoever waits."""
    button = PushButton(available=False, mint=registrar.mint, revoke=registrar.revoke)
    owner = Somebody()
    button.request("phone", owner)
    assert await button.press() is False
    assert registrar.live == {}
    assert not any(token for _, token in owner.told)


async def test_tokens_are_never_shown(button: PushButton, registrar: Registrar) -> None:
    """Neither the button nor the token it made shows the token's value."""
    button.request("phone", Somebody())
    await button.press()
    assert registrar.values()[0] not in f"{button!r} {registrar.live!r}"


steps = st.lists(
    st.one_of(
        st.tuples(st.just("request"), st.integers(0, 4)),
        st.tuples(st.just("press"), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, 4)),
        st.tuples(st.just("leave"), st.integers(0, 4)),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=200)
@given(steps)
def test_at_most_the_newest_requester_is_ever_served(steps: list[tuple[str, int]]) -> None:
    """In whatever order requests, presses and departures come, every transaction ends at most once and rightly."""

    async def play() -> None:
        registrar = Registrar()
        button = PushButton(available=True, mint=registrar.mint, revoke=registrar.revoke)
        people = [Somebody() for _ in range(5)]
        waiting: tuple[int, Somebody] | None = None
        last: dict[int, int] = {}
        expected = 0
        for verb, number in steps:
            somebody = people[number]
            if verb == "request":
                last[number] = button.request("phone", somebody)
                waiting = (last[number], somebody)
            elif verb == "cancel" and number in last:
                button.cancel(last[number])
                if waiting is not None and waiting[0] == last[number]:
                    waiting = None
            elif verb == "leave":
                somebody.there = False
            elif verb == "press":
                served = waiting is not None and waiting[1].there
                assert await button.press() is served
                expected += served
                waiting = None
        assert len(registrar.live) == expected
        told = [end for somebody in people for end in somebody.told]
        assert len({transaction for transaction, _ in told}) == len(told)
        assert sorted(token for _, token in told if token) == sorted(registrar.values())

    asyncio.run(play())
