"""The rules for names, passwords, texts and sets of permissions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nymead_users.identity.errors import InvalidUsername, WeakPassword
from nymead_users.identity.policy import canonical_username, check_password, check_text
from nymead_users.permissions import SCOPE_NAMES, Scope, scope_names

ALLOWED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+@-"


@pytest.mark.parametrize("username", ["abc", "x" * 254, "Alice", "a.b+c@d-e_f", "...", "007", "---", "@@@", ALLOWED])
def test_usernames(username: str) -> None:
    """A name of allowed characters and length is taken, in lower case."""
    assert canonical_username(username) == username.lower()


@pytest.mark.parametrize(
    "username",
    [
        "",
        "ab",
        "x" * 255,
        "a b",
        " abc",
        "abc ",
        "abc\n",
        "\nabc",
        "abc\0",
        "abc\ndef",
        "a/b",
        "a\\b",
        "a'b",
        'a"b',
        "a:b",
        "a;b",
        "a,b",
        "abc!",
        "äbc",
        "аbc",  # noqa: RUF001 - Cyrillic on purpose
        "\u212aim",
        "٣٤٥",
        "abc\u200d",
    ],
)
def test_what_is_no_username(username: str) -> None:
    """A name is checked as a whole: one wrong character anywhere, or a wrong length, refuses it."""
    with pytest.raises(InvalidUsername):
        canonical_username(username)


@given(st.text(max_size=300))
def test_every_other_character_is_refused(username: str) -> None:
    """Exactly the names of 3 to 254 allowed characters are taken."""
    allowed = 3 <= len(username) <= 254 and set(username) <= set(ALLOWED)
    try:
        assert canonical_username(username) == username.lower()
    except InvalidUsername:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize(
    "password",
    [
        "Abcdefg1",
        "1bcdefgA",
        "aB3     ",
        "aB3\n\n\n\n\n",
        "\n\n\n\n\naB3",
        "aB3\0\0\0\0\0",
        "aB3äöüß€",
        "aB3🏡🏡🏡🏡🏡",
        "aB3" + "x" * 1021,
        "aB3x" + "é" * 510,
    ],
)
def test_passwords(password: str) -> None:
    """Eight characters of three kinds are enough, and any others are welcome."""
    check_password(password)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "Abcdef1",
        "aB3🏡🏡🏡🏡",
        "abcdefg1",
        "ABCDEFG1",
        "Abcdefgh",
        "        ",
        "aB3" + "x" * 1022,
        "aB3" + "é" * 511,
        "aB3" + "🏡" * 256,
    ],
)
def test_weak_passwords(password: str) -> None:
    """Fewer characters, a missing kind or more than 1,024 bytes are refused."""
    with pytest.raises(WeakPassword):
        check_password(password)


def test_refusals_do_not_repeat_the_password() -> None:
    """The reason for a refusal does not give the password away."""
    with pytest.raises(WeakPassword) as refusal:
        check_password("hunter2")
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "x" * 255, "🏡" * 255, "Zoë Müller", "الاسم", "👩\u200d🚀", "a'; DROP TABLE"])
def test_texts(text: str) -> None:
    """A text of up to 255 characters without control characters stays as it is."""
    assert check_text(text) == text


@pytest.mark.parametrize("text", ["x" * 256, "🏡" * 256])
def test_long_texts(text: str) -> None:
    """A longer text is refused, with the limit."""
    with pytest.raises(ValueError, match="255"):
        check_text(text)


@pytest.mark.parametrize("character", [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0))], ids=ascii)
def test_control_characters(character: str) -> None:
    """Every control character is refused wherever it stands, with the reason."""
    for text in (character, f"{character}a", f"a{character}", f"a{character}a"):
        with pytest.raises(ValueError, match="control"):
            check_text(text)


#: The bits as nymea has them.
BITS = {
    "PermissionScopeNone": 0x0000,
    "PermissionScopeControlThings": 0x0001,
    "PermissionScopeConfigureThings": 0x0003,
    "PermissionScopeAccessAllThings": 0x0004,
    "PermissionScopeExecuteRules": 0x0010,
    "PermissionScopeConfigureRules": 0x0030,
    "PermissionScopeAdmin": 0xFFFF,
}

#: Nothing, things chosen one by one, or all things with or without more; or everything.
CONSISTENT = {0x00, 0x01, 0x04, 0x05, 0x07, 0x14, 0x15, 0x17, 0x34, 0x35, 0x37, 0xFFFF}

SUBSETS = [
    subset
    for size in range(len(BITS))
    for subset in itertools.combinations([name for name in BITS if BITS[name]], size)
] + [tuple(name for name in BITS if BITS[name])]


def bits(names: tuple[str, ...]) -> int:
    """The union of the bits of some names."""
    union = 0
    for name in names:
        union |= BITS[name]
    return union


def test_scopes_have_nymeas_bits() -> None:
    """Names and bits are nymea's, in the order of the enum."""
    assert [(name, int(scope)) for name, scope in SCOPE_NAMES.items()] == list(BITS.items())


def test_all_subsets_are_tried() -> None:
    """There are 64 subsets of the six names that have bits, and all consistent sets are among them."""
    assert len(set(SUBSETS)) == 64
    assert {bits(subset) for subset in SUBSETS} > CONSISTENT


@pytest.mark.parametrize("names", SUBSETS, ids=lambda names: "+".join(n[15:] for n in names) or "nothing")
def test_consistent_scopes(names: tuple[str, ...]) -> None:
    """Of all combinations exactly twelve sets are consistent."""
    assert Scope(bits(names)).consistent is (bits(names) in CONSISTENT)


@pytest.mark.parametrize("names", SUBSETS, ids=lambda names: "+".join(n[15:] for n in names) or "nothing")
def test_sent_scopes(names: tuple[str, ...]) -> None:
    """A set is sent as the names whose bits are all in it, in the order of the enum, never as None."""
    expected = [name for name, bit in BITS.items() if bit and bits(names) & bit == bit]
    assert list(scope_names(Scope(bits(names)))) == expected
    assert set(names) <= set(expected)


def test_an_administrators_scopes_are_sent_as_six_names() -> None:
    """Everything is sent as every name but None, and nothing as no name."""
    assert list(scope_names(Scope.ADMIN)) == [name for name in BITS if BITS[name]]
    assert scope_names(Scope.NONE) == ()
