"""Reading nymead's user database."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from functools import reduce
from itertools import count
from operator import or_
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from conftest import CHEAP_ARGON2, PASSWORD
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from nymead_database import DOOR, LAMP, VERSIONS, NymeadDatabase, a_family

from nymead_users.identity import nymead
from nymead_users.identity.nymead import Content, NotReadable, read, read_moment, read_scopes, read_things
from nymead_users.identity.passwords import Passwords
from nymead_users.permissions import SCOPE_NAMES, Scope, User, scope_names

THINGS = (UUID(LAMP), UUID(DOOR))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database is to be."""
    return tmp_path / "user-db.sqlite"


@pytest.fixture
def vienna(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have this machine in a time zone with summer time."""
    monkeypatch.setenv("TZ", "Europe/Vienna")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def users(content: Content) -> dict[str, User]:
    """The users that were read, by name; all rows make one."""
    assert content.unread_users == content.unread_tokens == ()
    return {account.user.username: account.user for account in content.accounts}


def test_a_database_of_the_present_version_is_read_whole(path: Path) -> None:
    """Every user comes with details, permissions and things, and every token with its id, time and device."""
    database, tokens = a_family(path)
    database.execute("UPDATE users SET email = 'a@x.org', displayName = 'Alice Ä.' WHERE username = 'alice'")
    content = read(path)
    assert users(content) == {
        "alice": User("alice", "a@x.org", "Alice Ä.", Scope.ADMIN, ()),
        "guest": User("guest", "", "", Scope.CONTROL_THINGS, THINGS),
        "": User("", "", "", Scope.ADMIN, ()),
    }
    assert [account.user.username for account in content.accounts if account.password_hash is None] == [""]
    assert [token.info.username for token in content.tokens] == ["alice", "guest", ""]
    for token in content.tokens:
        issued = tokens[token.info.username]
        assert str(token.info.id) == issued.id
        assert token.digest == hashlib.sha256(issued.value.encode()).digest()
    assert [token.info.device_name for token in content.tokens] == ["alice's phone", "guest's phone", "wall panel"]


def test_before_there_were_permissions_everybody_is_an_administrator(path: Path) -> None:
    """In the first version names are e-mail addresses, and the button's tokens get their user."""
    a_family(path, 0)
    assert users(read(path)) == {
        name: User(name, name, "", Scope.ADMIN, ()) for name in ("alice@home.org", "guest@home.org", "")
    }


@pytest.mark.parametrize(
    ("given", "scopes"),
    [
        (Scope.ADMIN, Scope.ADMIN),
        (Scope.CONTROL_THINGS, Scope.CONTROL_THINGS | Scope.ACCESS_ALL_THINGS),
        (Scope.CONFIGURE_RULES, Scope.CONFIGURE_RULES | Scope.ACCESS_ALL_THINGS),
        (Scope.NONE, Scope.ACCESS_ALL_THINGS),
    ],
)
def test_before_things_could_be_restricted_everybody_had_access_to_all(path: Path, given: Scope, scopes: Scope) -> None:
    """From the second version nymead makes permissions of the third in the same way."""
    NymeadDatabase(path, 1).add_user("bob", ",".join(scope_names(given)) or "PermissionScopeNone")
    assert users(read(path))["bob"].scopes == scopes


def test_an_upgrade_that_was_broken_off_is_finished(path: Path) -> None:
    """Where a new column is there, but not yet the version that goes with it, permissions are those of before."""
    database = NymeadDatabase(path, 1)
    database.add_user("bob", "PermissionScopeControlThings")
    database.execute("ALTER TABLE users ADD COLUMN allowedThingIds TEXT")
    assert users(read(path))["bob"].scopes == Scope.CONTROL_THINGS | Scope.ACCESS_ALL_THINGS


@pytest.mark.parametrize("statement", ["DROP TABLE metadata", "DELETE FROM metadata"])
def test_without_a_version_the_columns_say_it(path: Path, statement: str) -> None:
    """A database that does not tell its version is read by what it has."""
    database = NymeadDatabase(path)
    database.add_user("bob", "PermissionScopeControlThings", [LAMP])
    database.execute(statement)
    assert users(read(path))["bob"] == User("bob", "", "", Scope.CONTROL_THINGS, THINGS[:1])


def test_the_button_has_its_user_only_with_tokens(path: Path) -> None:
    """Without a token of the button nobody is made up."""
    NymeadDatabase(path, 0).add_user("alice@home.org")
    assert set(users(read(path))) == {"alice@home.org"}


def test_an_empty_database_has_nobody(path: Path) -> None:
    """A nymead that nobody has set up has an empty one."""
    NymeadDatabase(path)
    assert read(path) == Content((), (), (), ())


async def test_hashes_are_checked_as_nymead_does(path: Path) -> None:
    """A password fits the hash that was read of it, and no other does."""
    database = NymeadDatabase(path)
    database.add_user("bob", password="wéak")
    (account,) = read(path).accounts
    passwords = Passwords(**CHEAP_ARGON2)
    try:
        assert await passwords.verify("wéak", account.password_hash)
        assert not await passwords.verify(PASSWORD, account.password_hash)
    finally:
        passwords.close()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-31 18:30:00", 1706722200),
        ("2024-07-31T18:30:00", 1722443400),
        ("1970-01-01 00:00:07", 0),
        ("1969-12-31 23:00:00", 0),
    ],
)
@pytest.mark.usefixtures("vienna")
def test_times_are_this_machines(text: str, seconds: int) -> None:
    """A time is in the machine's zone, summer and winter, and never before the epoch."""
    assert read_moment(text) == seconds


@pytest.mark.parametrize("text", ["", "now", "2024-13-01 00:00:00", "2024-01-31", "2024-01-31 18:30:00Z", "1706722200"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """A time of another form is no guess."""
    with pytest.raises(ValueError, match=r"creationdate: .* is no time such as 2024-01-31 18:30:00"):
        read_moment(text)


BROKEN_USERS = [
    ("password", "secret", "the password's hash is none of nymead's"),
    ("password", None, "the password's hash is none of nymead's"),
    ("salt", "sec$ret", "the password's hash is none of nymead's"),
    ("scopes", "PermissionScopeControlThings,Fly", "scopes has an unknown permission, 'Fly'"),
    ("scopes", b"\xff", "scopes is no text"),
    ("allowedThingIds", "{lamp}", "allowedThingIds: '{lamp}' is no uuid"),
    ("displayName", b"\xc3\x28", "displayName is no text"),
]


@pytest.mark.parametrize(("column", "value", "reason"), BROKEN_USERS)
def test_a_user_that_is_none_is_named_with_the_reason(path: Path, column: str, value: Any, reason: str) -> None:
    """A row that nymead does not write is told of, and so are its tokens; all others are read."""
    database, tokens = a_family(path)
    database.execute(f"UPDATE users SET {column} = ? WHERE username = 'guest'", value)  # noqa: S608
    content = read(path)
    assert [account.user.username for account in content.accounts] == ["alice", ""]
    assert [token.info.username for token in content.tokens] == ["alice", ""]
    (user,) = content.unread_users
    assert (user.username, user.reason) == ("guest", reason)
    (token,) = content.unread_tokens
    assert (token.username, token.id) == ("guest", tokens["guest"].id)
    assert token.reason == "its user is not taken over"
    assert "secret" not in repr(content)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("id", "phone", "'phone' is no uuid"),
        ("username", None, "username is missing"),
        ("token", "1234", "token is shorter than 16 characters"),
        ("token", None, "token is shorter than 16 characters"),
        ("creationdate", None, "creationdate: '' is no time such as 2024-01-31 18:30:00"),
        ("creationdate", 7, "creationdate is no text"),
        ("devicename", b"\xff\xfe", "devicename is no text"),
    ],
)
def test_a_token_that_is_none_is_named_with_the_reason(path: Path, column: str, value: Any, reason: str) -> None:
    """A row that nymead does not write is told of; all others are read."""
    database, tokens = a_family(path)
    database.execute(f"UPDATE tokens SET {column} = ? WHERE username = 'guest'", value)  # noqa: S608
    content = read(path)
    assert [token.info.username for token in content.tokens] == ["alice", ""]
    (unread,) = content.unread_tokens
    assert unread.reason == reason
    assert unread.id == ("phone" if column == "id" else tokens["guest"].id)
    assert "secret" not in repr(content)
    assert not any(issued.value in repr(content) for issued in tokens.values())


def test_a_row_without_a_name_goes_by_its_number(path: Path) -> None:
    """Where neither name nor id can be told, the row's number says which it is."""
    database, _ = a_family(path)
    database.execute("UPDATE users SET username = NULL WHERE username = 'guest'")
    database.execute("UPDATE tokens SET id = x'ff', username = x'ff' WHERE username = 'guest'")
    content = read(path)
    (user,), (token,) = content.unread_users, content.unread_tokens
    assert (user.username, user.reason) == ("row 2", "username is missing")
    assert (token.username, token.id, token.reason) == ("", "row 2", "id is no text")


def _another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (id INTEGER, username TEXT, password_hash TEXT)")


def _torn(path: Path) -> None:
    database, _ = a_family(path)
    for number in range(200):
        database.add_token("alice", f"phone {number}")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + b"\x00\xff" * 4096 + whole[middle + 8192 :])


def _cut(path: Path) -> None:
    a_family(path)
    path.write_bytes(path.read_bytes()[:-4096])


def _of_version(path: Path, version: Any) -> None:
    NymeadDatabase(path).execute("UPDATE metadata SET data = ?", version)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.absolute, "is not there, or is no file"),
        (lambda path: path.mkdir(), "is not there, or is no file"),
        (lambda path: path.touch(), "is not nymead's user database: no table users"),
        (lambda path: path.write_text("[users]\nalice = admin\n" * 200), "cannot be read: file is not a database"),
        (_another_program, "is not nymead's user database: its table users has no password, no salt"),
        (lambda path: NymeadDatabase(path).execute("DROP TABLE tokens"), "no table tokens"),
        (
            lambda path: NymeadDatabase(path).execute("ALTER TABLE tokens DROP COLUMN devicename"),
            "its table tokens has no devicename",
        ),
        (lambda path: _of_version(path, 3), "of version '3': only 0 to 2 are known here"),
        (lambda path: _of_version(path, "two"), "of version 'two': only 0 to 2 are known here"),
        (lambda path: _of_version(path, -1), "of version '-1'"),
        (_torn, "is damaged|cannot be read"),
        (_cut, "is damaged|cannot be read"),
    ],
)
def test_what_is_no_such_database_is_refused_with_the_reason(path: Path, make: Any, said: str) -> None:
    """Anything else is named as what it is, and never half read."""
    make(path)
    with pytest.raises(NotReadable, match=said) as refusal:
        read(path)
    assert str(path) in str(refusal.value)


def test_what_may_not_be_read_is_said(path: Path) -> None:
    """A file of somebody else's is named with what helps."""
    a_family(path)
    path.chmod(0)
    try:
        path.open("rb").close()
    except PermissionError:
        with pytest.raises(NotReadable, match=r"cannot be read: Permission denied. Copy it"):
            read(path)
    else:
        pytest.skip("this user may read everything")


def test_a_database_in_use_is_read_as_of_its_last_change(path: Path) -> None:
    """While nymead is about to change something, what was there before is read; nothing of the file is touched."""
    database, _ = a_family(path)
    before = path.read_bytes()
    with closing(sqlite3.connect(path, isolation_level=None)) as nymeads:
        nymeads.execute("BEGIN IMMEDIATE")
        nymeads.execute("DELETE FROM users")
        assert len(read(path).accounts) == 3
        nymeads.execute("ROLLBACK")
    assert path.read_bytes() == before
    assert len(database.execute("SELECT * FROM users")) == 3


def test_a_locked_database_is_no_other_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another program lets nobody in, that is what is said."""
    a_family(path)
    monkeypatch.setattr(nymead, "BUSY_TIMEOUT", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as others:
        others.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NotReadable, match=r"is locked by another program. Try again"):
            read(path)


# Any texts


@given(st.sets(st.sampled_from(sorted(SCOPE_NAMES))))
def test_any_set_of_permissions_is_read_as_it_was_written(names: set[str]) -> None:
    """Names in any order are the permissions they name."""
    assert read_scopes(",".join(names)) == reduce(or_, map(SCOPE_NAMES.__getitem__, names), Scope.NONE)


@given(st.lists(st.uuids()), st.booleans())
def test_any_list_of_things_is_read_as_it_was_written(things: list[UUID], braces: bool) -> None:
    """Each thing comes once, in the order of the list, with or without braces; the id that means none is none."""
    text = ",".join(f"{{{thing}}}" if braces else str(thing).upper() for thing in things)
    assert read_things(text) == tuple(dict.fromkeys(thing for thing in things if thing.int))


@given(st.text() | st.from_regex(r"[{]?[0-9a-f-]{30,40}[}]?(,[0-9a-f-]+)?"))
@example(",,")
@example("{00000000-0000-0000-0000-000000000000}")
def test_any_text_is_read_or_refused(text: str) -> None:
    """What is not of the form is a ValueError, whatever it is."""
    for reading in (read_scopes, read_things, read_moment, nymead.read_uuid):
        try:
            reading(text)
        except ValueError:
            continue


CELLS = st.none() | st.text() | st.binary() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
_numbers = count()


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(*[CELLS] * 7), max_size=4, unique_by=lambda row: str(row[0])),
    st.lists(st.tuples(*[CELLS] * 5), max_size=4),
)
def test_any_rows_are_read_or_named(
    tmp_path: Path, user_rows: list[tuple[Any, ...]], token_rows: list[tuple[Any, ...]]
) -> None:
    """Whatever the cells have in them, each row makes a user or a token, or is told of."""
    path = tmp_path / f"{next(_numbers)}.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE users (username, email, displayName, password, salt, scopes, allowedThingIds)",
        )
        connection.execute("CREATE TABLE tokens (id, username, token, creationdate, devicename)")
        for table, rows in (("users", user_rows), ("tokens", token_rows)):
            for row in rows:
                encodable = [None if isinstance(cell, str) and not _encodable(cell) else cell for cell in row]
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", encodable)  # noqa: S608
    content = read(path)
    made_up = sum(not account.user.username for account in content.accounts)
    assert len(user_rows) <= len(content.accounts) + len(content.unread_users) <= len(user_rows) + made_up
    assert len(content.tokens) + len(content.unread_tokens) == len(token_rows)
    path.unlink()


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def test_each_version_is_tried() -> None:
    """The versions that the tests make are those that can be read."""
    assert tuple(range(nymead.NEWEST + 1)) == VERSIONS
