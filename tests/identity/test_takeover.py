"""What becomes of users and tokens from another server."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from nymead_users.identity.policy import MAX_TEXT
from nymead_users.identity.takeover import Account, IssuedToken, Outcome, Present, Report, Verdict, weigh
from nymead_users.identity.tokens import TokenInfo, digest
from nymead_users.permissions import Scope, User

HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$ZGlnZXN0"
OTHER_HASH = HASH.replace("c2", "d2")
NOTHING = Present({}, {})

ADDED, UNCHANGED = Verdict(Outcome.ADDED), Verdict(Outcome.UNCHANGED)


def account(username: str = "bob", password_hash: str | None = HASH, **details: Any) -> Account:
    given = {"email": "", "display_name": "", "scopes": Scope.ADMIN, "allowed_thing_ids": (), **details}
    return Account(User(username, **given), password_hash)


def token(
    username: str = "bob", *, value: str = "", token_id: UUID | None = None, device: str = "phone"
) -> IssuedToken:
    token_id = token_id or uuid4()
    return IssuedToken(TokenInfo(token_id, username, 7, device), digest(value or str(token_id)))


def here(username: str, *tokens: IssuedToken, password_hash: str | None = HASH) -> Present:
    """A server with one user and these tokens."""
    return Present({username: password_hash}, {token.info.id: (username, token.digest) for token in tokens})


def weighed(accounts: list[Account], tokens: list[IssuedToken] | None = None, present: Present = NOTHING) -> Report:
    return weigh(accounts, tokens or [], present, tokens_per_user=3)


def refused(verdict: Verdict) -> str:
    """The reason of an error."""
    assert verdict.outcome is Outcome.ERROR
    assert verdict.reason
    return verdict.reason


def test_what_is_new_is_added() -> None:
    """Users, the push button's among them, and their tokens are added where nobody of their names is here."""
    report = weighed([account(), account("", None)], [token(), token(), token("")], here("alice", token("alice")))
    assert report.accounts == (ADDED, ADDED)
    assert report.tokens == (ADDED, ADDED, ADDED)
    assert not report.refused
    assert not report.changed


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"username": "b/o"}, "a username has 3 to 254 characters of A-Z a-z 0-9 _ . + @ -"),
        ({"username": "hans müller"}, "a username has 3 to 254 characters of A-Z a-z 0-9 _ . + @ -"),
        ({"display_name": "a\x1bb"}, "the display name: control characters are not allowed"),
        ({"email": "x" * (MAX_TEXT + 1)}, "the e-mail address: at most 255 characters, got 256"),
        ({"scopes": Scope.EXECUTE_RULES}, "the permissions contradict one another"),
        ({"password_hash": "secret"}, "the password's hash is of no known kind, or the push button's user has one"),
        ({"username": ""}, "the password's hash is of no known kind, or the push button's user has one"),
    ],
)
def test_the_rules_hold_for_them(details: dict[str, Any], reason: str) -> None:
    """A user whom nobody could add here is an error, and so is each of their tokens."""
    bad = account(**details)
    report = weighed([bad, account("carol")], [token(bad.user.username), token("carol")])
    assert report.accounts == (Verdict(Outcome.ERROR, reason), ADDED)
    assert report.tokens == (Verdict(Outcome.ERROR, "its user is not taken over"), ADDED)
    assert report.refused


def test_names_that_fall_together_are_an_error() -> None:
    """Of two users of one name only the first could be added, and which that is nobody knows."""
    report = weighed([account(), account()])
    assert report.accounts[0] == ADDED
    assert "another user of this name" in refused(report.accounts[1])


def test_a_user_of_that_name_is_not_overwritten() -> None:
    """Somebody of that name who is here already stays as they are, gets no token from there, and it is said."""
    for present in (here("bob", password_hash=OTHER_HASH), here("bob", password_hash=None), here("bob", token())):
        report = weighed([account()], [token()], present)
        assert report.accounts[0].outcome is Outcome.UNCHANGED
        if present.hashes["bob"] != HASH:
            assert "there is a user of this name already" in report.accounts[0].reason
        assert report.tokens[0].outcome is Outcome.UNCHANGED
        assert report.tokens[0].reason
        assert not report.refused
    # Without a password there is nothing that both could have.
    report = weighed([account("", None)], [token("")], here("", password_hash=None))
    assert "there is a user of this name already" in report.accounts[0].reason
    assert report.tokens[0].outcome is Outcome.UNCHANGED


def test_a_user_who_came_before_is_left_alone() -> None:
    """Who still has the password, or a token, came from there; whatever has changed here since stays."""
    kept, removed = token(), token()
    for present in (here("bob", kept), here("bob", kept, password_hash=OTHER_HASH)):
        report = weighed([account(email="new@x.org", scopes=Scope.NONE)], [kept, removed], present)
        assert report.accounts == (UNCHANGED,)
        assert report.tokens[0] == UNCHANGED
        assert report.tokens[1].outcome is Outcome.UNCHANGED
        assert report.tokens[1].reason == "removed here, or made there, since its user was taken over"
        assert not report.refused
    assert weighed([account()], [], here("bob")).accounts == (UNCHANGED,)


def test_another_token_of_the_same_id_does_not_tell_who_came_before() -> None:
    """A token counts by both its id and its value."""
    one = token()
    other = token(token_id=one.info.id, value="another")
    report = weighed([account()], [one], here("bob", other, password_hash=OTHER_HASH))
    assert report.accounts[0].reason


def test_tokens_come_all_or_none() -> None:
    """More tokens than a user may have are an error of that user, for the next login would remove some."""
    assert weighed([account()], [token() for _ in range(3)]).accounts == (ADDED,)
    report = weighed([account()], [token() for _ in range(4)])
    assert refused(report.accounts[0]) == "4 tokens are more than a user may have: 3"


def test_tokens_must_be_somebodys_and_their_own() -> None:
    """A token of nobody, one with another's id or value, and one of a device without a fit name are errors."""
    first = token()
    same_id, same_value = token(token_id=first.info.id, value="another"), token(value=str(first.info.id))
    tokens = [first, same_id, same_value, token("nobody"), token("carol", device="a\nb")]
    report = weighed([account(), account("carol")], tokens, here("alice"))
    assert report.accounts == (ADDED, ADDED)
    assert report.tokens[0] == ADDED
    for verdict in report.tokens[1:3]:
        assert refused(verdict) == "there is another token of its id or value"
    assert refused(report.tokens[3]) == "its user is not there"
    assert refused(report.tokens[4]) == "the device name: control characters are not allowed"
    for taken in (same_id, same_value):
        report = weighed([account()], [taken], here("alice", token("alice", token_id=first.info.id)))
        assert refused(report.tokens[0]) == "there is another token of its id or value"


def test_no_secret_is_shown() -> None:
    """What holds hashes and digests does not show them."""
    shown = repr((account(), token(), here("bob", token())))
    assert "argon2id" not in shown
    assert "digest" not in shown
