"""Users and tokens from another server: what becomes of each, held against the rules and against what is here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from nymead_users.identity.errors import InvalidUsername
from nymead_users.identity.passwords import is_hash
from nymead_users.identity.policy import canonical_username, check_text
from nymead_users.identity.tokens import TokenInfo
from nymead_users.permissions import User


@dataclass(frozen=True, slots=True)
class Account:
    """A user, and the hash that a password is held against: one of ``Passwords``, None where no password logs in."""

    user: User
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that is in a client's hands already, and the digest of its value (``tokens.digest``)."""

    info: TokenInfo
    digest: bytes = field(repr=False)


class Outcome(StrEnum):
    """What becomes of a user or a token."""

    ADDED = "added"
    UNCHANGED = "unchanged"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome; the reason of each error, and of what is not taken over although it is none."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The verdicts on users and tokens, in their order. ``changed``: what is added has been stored."""

    accounts: tuple[Verdict, ...]
    tokens: tuple[Verdict, ...]
    changed: bool = False

    @property
    def refused(self) -> bool:
        """Whether there is an error, so that nothing may be stored."""
        return any(verdict.outcome is Outcome.ERROR for verdict in (*self.accounts, *self.tokens))


@dataclass(frozen=True, slots=True)
class Present:
    """What is here already: hashes by username, and usernames and digests by the token's id."""

    hashes: Mapping[str, str | None] = field(repr=False)
    tokens: Mapping[UUID, tuple[str, bytes]] = field(repr=False)


def weigh(
    accounts: Sequence[Account], tokens: Sequence[IssuedToken], present: Present, *, tokens_per_user: int
) -> Report:
    """Say what becomes of each; usernames are expected in lower case.

    A user who is here already is left as they are, be they from there or of the same name by chance: nobody gets
    anything by that. So are their tokens: one that was removed here must not come back. Tokens come with new users
    alone, and all of them or none: more than ``tokens_per_user`` are an error of the user.
    """
    theirs: defaultdict[str, list[IssuedToken]] = defaultdict(list)
    for token in tokens:
        theirs[token.info.username].append(token)
    users: dict[str, Verdict] = {}
    verdicts = []
    for account in accounts:
        name = account.user.username
        if name in users:
            verdict = _error("there is another user of this name: upper and lower case make no difference")
        else:
            verdict = _on_user(account, theirs[name], present, tokens_per_user)
        users.setdefault(name, verdict)
        verdicts.append(verdict)
    judge = _Tokens(users, present)
    return Report(tuple(verdicts), tuple(judge.on(token) for token in tokens))


def _on_user(account: Account, tokens: Sequence[IssuedToken], present: Present, tokens_per_user: int) -> Verdict:
    user = account.user
    try:
        if user.username:  # the push button's user has the empty name
            canonical_username(user.username)
        _check_text("display name", user.display_name)
        _check_text("e-mail address", user.email)
    except (InvalidUsername, ValueError) as error:
        return _error(str(error))
    if account.password_hash is not None and not (user.username and is_hash(account.password_hash)):
        return _error("the password's hash is of no known kind, or the push button's user has one")
    if not user.scopes.consistent:
        return _error("the permissions contradict one another")
    if user.username in present.hashes:
        password_hash = present.hashes[user.username]
        if (password_hash is not None and password_hash == account.password_hash) or any(
            _is_here(token, present) for token in tokens
        ):
            return Verdict(Outcome.UNCHANGED)
        return Verdict(Outcome.UNCHANGED, "there is a user of this name already, who keeps the password from here")
    if len(tokens) > tokens_per_user:
        return _error(f"{len(tokens):,} tokens are more than a user may have: {tokens_per_user:,}")
    return Verdict(Outcome.ADDED)


class _Tokens:
    """Says what becomes of tokens, one after the other."""

    def __init__(self, users: Mapping[str, Verdict], present: Present) -> None:
        self._users = users
        self._present = present
        self._ids = set(present.tokens)
        self._digests = {digest for _, digest in present.tokens.values()}

    def on(self, token: IssuedToken) -> Verdict:
        user = self._users.get(token.info.username)
        if user is None:
            return _error("its user is not there")
        if user.outcome is Outcome.ERROR:
            return _error("its user is not taken over")
        if user.outcome is Outcome.UNCHANGED:
            if _is_here(token, self._present):
                return Verdict(Outcome.UNCHANGED)
            return Verdict(Outcome.UNCHANGED, "removed here, or made there, since its user was taken over")
        try:
            _check_text("device name", token.info.device_name)
        except ValueError as error:
            return _error(str(error))
        if token.info.id in self._ids or token.digest in self._digests:
            return _error("there is another token of its id or value")
        self._ids.add(token.info.id)
        self._digests.add(token.digest)
        return Verdict(Outcome.ADDED)


def _is_here(token: IssuedToken, present: Present) -> bool:
    return present.tokens.get(token.info.id) == (token.info.username, token.digest)


def _check_text(what: str, text: str) -> None:
    try:
        check_text(text)
    except ValueError as error:
        raise ValueError(f"the {what}: {error}") from None


def _error(reason: str) -> Verdict:
    return Verdict(Outcome.ERROR, reason)
