from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nymead_users.identity.errors import TooManyAttempts
from nymead_users.identity.throttling import CAPACITY, Throttle

DAY = 86_400.0


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 50_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    """With the settings that are the default."""
    return a_throttle(clock)


def a_throttle(clock: Clock, **changed: float) -> Throttle:
    values: dict[str, float] = {
        "free_attempts": 3,
        "first_delay": 1.0,
        "max_delay": 300.0,
        "forget_after": 900.0,
        **changed,
    }
    return Throttle(clock=clock, **values)  # type: ignore[arg-type]


def wait(throttle: Throttle, address: str = "a", account: str = "alice", *, known: bool = False) -> float:
    """The seconds until the next attempt is looked at; none if it is at once."""
    try:
        throttle.check(address, account, known=known)
    except TooManyAttempts as refusal:
        return refusal.retry_after
    return 0.0


def fail(throttle: Throttle, times: int, address: str = "a", account: str = "alice", *, known: bool = False) -> None:
    for _ in range(times):
        throttle.failed(address, account, known=known)


def test_the_first_failures_in_a_row_cost_nothing(throttle: Throttle) -> None:
    """Three wrong passwords leave the next attempt free; the fourth costs a second."""
    for _ in range(3):
        throttle.failed("a", "alice", known=False)
        assert wait(throttle) == 0
    throttle.failed("a", "alice", known=False)
    assert wait(throttle) == 1.0


def test_each_further_failure_doubles_the_delay_up_to_the_longest(throttle: Throttle) -> None:
    """The delays are 1, 2, 4 s and so on, and 300 s for ever after."""
    fail(throttle, 3)
    delays = []
    for _ in range(13):
        fail(throttle, 1)
        delays.append(wait(throttle))
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    fail(throttle, 10_000)
    assert wait(throttle) == 300


def test_a_delay_passes_with_time(throttle: Throttle, clock: Clock) -> None:
    """What is left of a delay is told to the instant, and when it is over the attempt is looked at."""
    fail(throttle, 6)
    clock.now += 3.5
    assert wait(throttle) == 0.5
    clock.now += 0.5
    assert wait(throttle) == 0


def test_being_refused_costs_nothing_more(throttle: Throttle, clock: Clock) -> None:
    """Attempts that come too early are not counted and do not prolong the delay."""
    fail(throttle, 6)
    for _ in range(1000):
        assert wait(throttle) == 4.0
    clock.now += 4.0
    assert wait(throttle) == 0


def test_failures_are_forgotten_after_a_quiet_time(throttle: Throttle, clock: Clock) -> None:
    """After the configured time without a failure the first three are free again."""
    fail(throttle, 20)
    clock.now += 899.9
    fail(throttle, 1)
    assert wait(throttle) == 300
    clock.now += 900
    assert wait(throttle) == 0
    fail(throttle, 3)
    assert wait(throttle) == 0


def test_the_right_password_forgets_ones_own_slips(throttle: Throttle) -> None:
    """After a login the count of its own address and account begins anew."""
    fail(throttle, 3)
    throttle.succeeded("a", "alice")
    fail(throttle, 3)
    assert wait(throttle) == 0


def test_an_address_is_slowed_down_for_every_account(throttle: Throttle) -> None:
    """Guesses from one address count together, whomever they are for, known or not."""
    for account in ("alice", "bob", "carol", "dave"):
        fail(throttle, 1, account=account)
    assert wait(throttle, account="erin") == 1.0
    assert wait(throttle, account="erin", known=True) == 1.0
    assert wait(throttle, address="b", account="alice") == 0


def test_an_account_is_slowed_down_for_every_unknown_address(throttle: Throttle) -> None:
    """Guesses at one account count together wherever they come from, but not against an address that is known."""
    for address in ("a", "b", "c", "d"):
        fail(throttle, 1, address=address)
    assert wait(throttle, address="e") == 1.0
    assert wait(throttle, address="e", known=True) == 0
    assert wait(throttle, address="e", account="bob") == 0


def test_failures_from_a_known_address_do_not_slow_down_the_account(throttle: Throttle) -> None:
    """An owner who mistypes at home does not lock themselves out elsewhere."""
    fail(throttle, 20, address="home", known=True)
    assert wait(throttle, address="home", known=True) == 300
    assert wait(throttle, address="elsewhere") == 0


def test_a_login_does_not_wash_off_guesses_at_others(throttle: Throttle) -> None:
    """An attacker's own account does not reset what they have guessed at from the same address."""
    fail(throttle, 4, account="alice")
    throttle.succeeded("a", "mallory")
    assert wait(throttle, account="mallory", known=True) == 1.0
    assert wait(throttle, account="alice") == 1.0


def test_a_login_does_not_wash_off_what_others_guessed_at_the_account(throttle: Throttle) -> None:
    """The owner's login does not give attackers elsewhere new attempts."""
    fail(throttle, 2, address="attacker 1")
    fail(throttle, 2, address="attacker 2")
    throttle.succeeded("home", "alice")
    assert wait(throttle, address="attacker 3") == 1.0
    throttle.succeeded("attacker 1", "alice")
    assert wait(throttle, address="attacker 3") == 0


def test_the_longer_delay_counts(throttle: Throttle, clock: Clock) -> None:
    """Where both the address and the account have to wait, the attempt waits for both."""
    fail(throttle, 4, address="a", account="bob")
    fail(throttle, 6, address="b", account="alice")
    assert wait(throttle, address="a", account="alice") == 4.0
    clock.now += 2
    fail(throttle, 4, address="a", account="bob")
    assert wait(throttle, address="a", account="alice") == 16.0


def test_without_free_attempts_the_first_failure_costs(clock: Clock) -> None:
    """The number of free attempts may be none."""
    throttle = a_throttle(clock, free_attempts=0)
    assert wait(throttle) == 0
    fail(throttle, 1)
    assert wait(throttle) == 1.0


def best(clock: Clock, throttle: Throttle, name: Callable[[int], tuple[str, str]], patience: float) -> int:
    """The guesses of a day, by an attacker who waits as told, but at most so long; otherwise until all is forgotten."""
    begin, guesses = clock.now, 0
    while clock.now - begin < DAY:
        address, account = name(guesses)
        seconds = wait(throttle, address, account)
        if not seconds:
            throttle.failed(address, account, known=False)
            guesses += 1
        elif seconds > patience:
            clock.now += 900
        else:
            clock.now += seconds
    return guesses


@pytest.mark.parametrize("patience", [0, 1, 4, 16, 64, 128, 256, 300])
@pytest.mark.parametrize(
    "name",
    [
        lambda number: ("a", "alice"),  # noqa: ARG005 - one address, one account
        lambda number: ("a", f"user {number}"),
        lambda number: (f"address {number}", "alice"),
    ],
    ids=["one address and account", "many accounts", "many addresses"],
)
def test_no_patience_gives_many_guesses_a_day(
    clock: Clock, throttle: Throttle, name: Callable[[int], tuple[str, str]], patience: float
) -> None:
    """However an attacker paces the guesses from one address, or at one account, a day has about a thousand."""
    assert best(clock, throttle, name, patience) < 1100


def test_memory_is_bounded_whatever_names_and_addresses_are_made_up(throttle: Throttle) -> None:
    """A flood of made-up names and addresses, however long, leaves a bounded number of short records."""
    sizes = []
    for number in range(3 * CAPACITY):
        throttle.failed(f"address {number}", f"{'x' * 200}{number}", known=False)
        if number % CAPACITY == CAPACITY - 1:
            sizes.append(len(pickle.dumps(throttle_memory(throttle))))
    assert sizes[0] < 200 * 2 * CAPACITY
    assert max(sizes) < 1.05 * sizes[0]
    assert wait(throttle, "address 0", "somebody") == 0


def test_memory_is_bounded_for_one_address_and_one_account(clock: Clock, throttle: Throttle) -> None:
    """An attacker who keeps at it for a month, always as early as allowed, fills no memory by it."""
    begin = clock.now
    while clock.now - begin < 30 * DAY:
        for pair in ((f"address {clock.now}", "alice"), ("a", f"user {clock.now}")):
            if not wait(throttle, *pair):
                throttle.failed(*pair, known=False)
        clock.now += 300
    assert len(pickle.dumps(throttle_memory(throttle))) < 3_000_000


def throttle_memory(throttle: Throttle) -> list[object]:
    """All that a throttle keeps."""
    return [
        [(key, dict(record.failures), record.last) for key, record in records.items()]
        for records in (throttle._addresses, throttle._accounts)
    ]


def test_what_is_under_attack_is_not_forgotten_first(throttle: Throttle) -> None:
    """When there is no room the longest quiet records go, not the one that an attacker wants gone and guesses at."""
    for number in range(CAPACITY + 5000):
        throttle.failed(f"address {number}", f"user {number}", known=False)
        if number % 1000 == 0:
            throttle.failed("a", "alice", known=False)
    assert wait(throttle, "a", "bob") > 0
    assert wait(throttle, "b", "alice") > 0


def test_names_are_told_apart_by_all_of_their_letters(throttle: Throttle) -> None:
    """Long names that differ at their ends, and lone surrogates, are names of their own."""
    fail(throttle, 4, address="a", account="x" * 5000 + "1")
    fail(throttle, 4, address="b", account="\ud800")
    assert wait(throttle, "c", "x" * 5000 + "1") == 1.0
    assert wait(throttle, "c", "x" * 5000 + "2") == 0
    assert wait(throttle, "c", "\ud800") == 1.0
    assert wait(throttle, "c", "\ud801") == 0


def test_the_refusal_tells_the_time(throttle: Throttle) -> None:
    """The error has the seconds, for the reply and for people."""
    fail(throttle, 8)
    with pytest.raises(TooManyAttempts, match="16 s") as refusal:
        throttle.check("a", "alice", known=False)
    assert refusal.value.retry_after == 16.0


addresses = st.sampled_from(["home", "work", "evil 1", "evil 2"])
accounts = st.sampled_from(["alice", "bob", "nobody"])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(addresses, accounts, st.booleans(), st.floats(0, 100)), max_size=60))
def test_an_address_that_never_fails_is_never_refused_where_it_is_known(
    steps: list[tuple[str, str, bool, float]],
) -> None:
    """Whatever others do, whoever always has the right password at a known address is always let in."""
    clock = Clock()
    throttle = a_throttle(clock)
    for address, account, right, seconds in steps:
        clock.now += seconds
        if wait(throttle, address, account) == 0:
            if right:
                throttle.succeeded(address, account)
            else:
                throttle.failed(address, account, known=False)
        assert wait(throttle, "owner's", account, known=True) == 0
        throttle.succeeded("owner's", account)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 400)), max_size=80))
def test_guesses_never_come_faster_than_the_delays(steps: list[tuple[bool, float]]) -> None:
    """Whatever logins of their own an attacker mixes in, the guesses at another stay apart by the delays."""
    clock = Clock()
    throttle = a_throttle(clock)
    looked_at: list[float] = []
    for own, seconds in steps:
        clock.now += seconds
        account = "mallory" if own else "alice"
        if wait(throttle, "a", account, known=own) > 0:
            continue
        if own:
            throttle.succeeded("a", "mallory")
            continue
        row = 0
        for earlier, later in itertools.pairwise([*looked_at, clock.now]):
            row = 0 if later - earlier >= 900 else row + 1
        if row > 3:
            assert clock.now - looked_at[-1] >= min(2.0 ** (row - 4), 300)
        looked_at.append(clock.now)
        throttle.failed("a", "alice", known=False)
