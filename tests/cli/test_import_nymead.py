"""Taking over users and tokens from nymead."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from command_line import Outcome, invoke, run
from conftest import PASSWORD, Dialect, Process, Server, SpawnServer, StartServer, Transport
from nymead_database import DOOR, LAMP, VERSIONS, NymeadDatabase, Token, a_family

from nymead_users.client import CallError, Client
from nymead_users.storage.datadir import STORE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where nymead's database is to be."""
    return tmp_path / "user-db.sqlite"


def rows(data: Path, statement: str) -> list[Any]:
    """What is in the store."""
    with closing(sqlite3.connect(data / STORE)) as connection:
        return connection.execute(statement).fetchall()


def hashes(data: Path) -> dict[str, str]:
    """How each user's stored hash begins."""
    found = rows(data, "SELECT username, password_hash FROM users")
    return {name: made and made.split("$")[1] for name, made in found}


def everything(data: Path) -> list[Any]:
    """All users and tokens as they are stored."""
    return [rows(data, f"SELECT * FROM {table} ORDER BY id") for table in ("users", "tokens")]  # noqa: S608


async def log_in(server: Process | Server, name: str, password: str = PASSWORD, dialect: Dialect = "nymea") -> bool:
    """Whether a password logs in."""
    async with await Client.connect(server.url(), dialect=dialect) as client:
        await client.hello()
        return await client.authenticate(name, password, "new phone") is not None


async def logged_in(server: Process | Server, token: Token, dialect: Dialect, scheme: str) -> dict[str, Any]:
    """Who a client is that comes with its token."""
    url = next(url for url in server.urls if url.startswith(f"{scheme}:"))
    async with await Client.connect(url, dialect=dialect, token=token.value) as client:
        if dialect == "nymea":
            assert (await client.hello(token=token.value))["authenticated"] is True
        return dict((await client.call("Users.GetUserInfo"))["userInfo"])


async def take_over(data: Path, path: Path, *options: str) -> Outcome:
    return await invoke(data, "import-nymead", str(path), *options)


async def refused(data: Path, path: Path, *options: str) -> list[str]:
    """The lines in which a refusal says what stands in the way; it changes nothing."""
    before = everything(data)
    outcome = await take_over(data, path, *options)
    assert (outcome.code, outcome.out) == (1, "")
    assert everything(data) == before
    lines = outcome.err.splitlines()
    assert lines[0] == f"Error: nothing is taken over from {path}:"
    return [line.removeprefix("  ") for line in lines[1:]]


# What comes over


@pytest.mark.parametrize("version", VERSIONS)
async def test_users_and_tokens_log_in_unchanged(
    tmp_path: Path, path: Path, spawn_server: SpawnServer, version: int
) -> None:
    """From every version each token stands for its user in both dialects, and each password logs in in both."""
    _, tokens = a_family(path, version)
    data = tmp_path / "data"
    outcome = await run(data, "import-nymead", str(path))
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == "Took over 3 users and 3 tokens."

    server = await spawn_server(data_dir=data)
    for dialect, scheme in (("nymea", "nymea"), ("jsonrpc2", "nymea"), ("nymea", "ws"), ("jsonrpc2", "ws")):
        for name, token in tokens.items():
            assert (await logged_in(server, token, dialect, scheme))["username"] == name  # type: ignore[arg-type]
    alice, guest = (name for name in tokens if name)
    assert hashes(data) == {alice: "nymead-sha512", guest: "nymead-sha512", "": None}
    for name, dialect in ((alice, "nymea"), (guest, "jsonrpc2")):
        assert not await log_in(server, name, "Wr0ngwrong", dialect)  # type: ignore[arg-type]
        assert hashes(data)[name] == "nymead-sha512"
        for _ in range(2):
            assert await log_in(server, name.upper(), PASSWORD, dialect)  # type: ignore[arg-type]
            assert hashes(data)[name] == "argon2id"
        assert not await log_in(server, name, "Wr0ngwrong", dialect)  # type: ignore[arg-type]
    for name, token in tokens.items():
        assert (await logged_in(server, token, "nymea", "nymea"))["username"] == name


async def test_each_user_may_do_what_they_might_before(path: Path, server: Server) -> None:
    """Details, permissions, things, devices and times come over as they were."""
    database = NymeadDatabase(path)
    database.add_user("alice", email="alice@x.org", displayName="Alice Ä.")
    database.add_user("guest", "PermissionScopeControlThings", [LAMP, DOOR])
    database.add_user("nobody-much", "PermissionScopeNone")
    issued = database.add_token("guest", "Küche", creationdate="2024-01-31 18:30:00")
    report = (await run(server.data_dir, "import-nymead", str(path), "--json", environ={"TZ": "Europe/Vienna"})).json
    assert report == {
        "changed": True,
        "users": [{"username": name, "outcome": "added", "reason": ""} for name in ("alice", "guest", "nobody-much")],
        "tokens": [{"id": issued.id, "username": "guest", "outcome": "added", "reason": ""}],
    }
    operator = await server.operator()
    alice, guest, nobody = (await operator.call("Users.GetUsers"))["users"]
    assert (alice["email"], alice["displayName"], alice["scopes"][-1]) == (
        *("alice@x.org", "Alice Ä."),
        "PermissionScopeAdmin",
    )
    assert (guest["scopes"], guest["allowedThingIds"]) == (["PermissionScopeControlThings"], [LAMP, DOOR])
    assert (nobody["scopes"], nobody["allowedThingIds"]) == ([], [])
    (token,) = (await operator.call("Users.GetUserTokens", {"username": "guest"}))["tokenInfoList"]
    assert token == {"id": issued.id, "username": "guest", "creationTime": 1706722200, "deviceName": "Küche"}


async def test_a_password_that_would_be_too_weak_today_logs_in(path: Path, server: Server) -> None:
    """What nymead took for a password once is one still, and is hashed as all are."""
    database = NymeadDatabase(path)
    database.add_user("alice", password="weak")
    assert (await take_over(server.data_dir, path)).code == 0
    assert await log_in(server, "alice", "weak")
    assert hashes(server.data_dir) == {"alice": "argon2id"}
    assert await log_in(server, "alice", "weak")


async def test_a_running_server_tells_of_them(path: Path, home: Server, transport: Transport, dialect: Dialect) -> None:
    """Administrators hear of each user who was added, and a token logs in at once."""
    _, tokens = a_family(path)
    admin = await home.login("admin", transport, dialect)
    await admin.subscribe("Users")
    heard = admin.notifications()
    assert (await take_over(home.data_dir, path)).code == 0
    told = [await anext(heard) for _ in range(3)]
    assert {notification.name for notification in told} == {"Users.UserAdded"}
    assert [notification.params["userInfo"]["username"] for notification in told] == ["alice", "guest", ""]
    assert (await logged_in(home, tokens["alice"], dialect, "nymea"))["username"] == "alice"
    assert len((await admin.call("Users.GetUsers"))["users"]) == 4


async def test_the_first_set_up_is_done_with_it(path: Path, server: Server) -> None:
    """A server that waited for its first administrator has them now."""
    a_family(path)
    waiting = await server.client(hello=False)
    assert (await waiting.hello())["initialSetupRequired"] is True
    assert (await take_over(server.data_dir, path, "--dry-run")).code == 0
    assert (await waiting.hello())["initialSetupRequired"] is True
    assert (await take_over(server.data_dir, path)).code == 0
    assert (await waiting.hello())["initialSetupRequired"] is False


async def test_check_says_whose_hashes_are_left(path: Path, server: Server) -> None:
    """As long as there are hashes of nymead's, the check of the store warns of them, and finds no fault."""
    a_family(path)
    await take_over(server.data_dir, path)
    for names, left in ((["alice"], 2), (["guest"], 1), ([], 0)):
        checked = await invoke(server.data_dir, "check")
        assert checked.code == 0
        assert (f"stolen: {left}. Each is hashed anew" in checked.out) is bool(left)
        for name in names:
            assert await log_in(server, name)


# What is said and not done


async def test_a_dry_run_says_what_would_be_done(tmp_path: Path, path: Path, home: Server) -> None:
    """Trying shows each user with what they may do, and changes nothing, whether a server runs or there is no store."""
    a_family(path)
    said = [
        "NAME              MAY                         TOKENS  OUTCOME",
        "alice             admin                       1       added",
        "guest             control-things (2 things)   1       added",
        '"" (push button)  admin                       1       added',
        "Would take over 3 users and 3 tokens. Nothing was changed.",
    ]
    nowhere = tmp_path / "nowhere"
    before = everything(home.data_dir)
    for data in (home.data_dir, nowhere):
        outcome = await take_over(data, path, "--dry-run")
        assert (outcome.code, outcome.err) == (0, "")
        assert [" ".join(line.split()) for line in outcome.out.splitlines()] == [
            " ".join(line.split()) for line in said
        ]
        report = (await take_over(data, path, "--dry-run", "--json")).json
        assert report["changed"] is False
        assert [row["outcome"] for row in (*report["users"], *report["tokens"])] == ["added"] * 6
    assert everything(home.data_dir) == before
    assert not nowhere.exists()
    assert (await take_over(home.data_dir, path)).out.splitlines()[:-1] == outcome.out.splitlines()[:-1]


async def test_a_second_run_changes_nothing(path: Path, server: Server) -> None:
    """Whoever came before stays as they are now: passwords, permissions, and devices that were logged out here."""
    database, tokens = a_family(path)
    assert (await take_over(server.data_dir, path)).code == 0
    again = (await take_over(server.data_dir, path, "--json")).json
    assert again["changed"] is False
    assert [row["outcome"] for row in (*again["users"], *again["tokens"])] == ["unchanged"] * 6

    assert await log_in(server, "alice")
    assert (await invoke(server.data_dir, "user", "scopes", "guest", "none")).code == 0
    lost = database.add_token("alice", "a phone that was lost")
    newest = database.add_token("guest", "newest phone")
    database.execute("DELETE FROM tokens WHERE token = ?", lost.value)
    before = everything(server.data_dir)
    outcome = await take_over(server.data_dir, path)
    assert outcome.code == 0
    assert outcome.out.splitlines()[-2:] == [
        f"Not taken over: token {newest.id} of guest, removed here, or made there, since its user was taken over.",
        "Took over 0 users and 0 tokens.",
    ]
    assert everything(server.data_dir) == before

    database.add_user("carol")
    database.add_token("alice", "another phone")
    assert (await invoke(server.data_dir, "token", "revoke", tokens["alice"].id)).code == 0
    outcome = await take_over(server.data_dir, path)
    assert outcome.code == 0
    # Alice may have come from there or not: she stays, and no token of hers comes along.
    assert "Not taken over: user alice, there is a user of this name already" in outcome.out
    assert any(name == "carol" for (name,) in rows(server.data_dir, "SELECT username FROM users"))
    assert ("another phone",) not in rows(server.data_dir, "SELECT device_name FROM tokens")


async def test_a_revoked_token_does_not_come_back(path: Path, server: Server) -> None:
    """A device that was logged out here stays out, however often its database is taken over."""
    database, tokens = a_family(path)
    kept = database.add_token("alice", "tablet")
    assert (await take_over(server.data_dir, path)).code == 0
    assert (await invoke(server.data_dir, "token", "revoke", tokens["alice"].id)).code == 0
    assert (await take_over(server.data_dir, path)).code == 0
    assert (await logged_in(server, kept, "nymea", "nymea"))["username"] == "alice"
    client = await server.client(hello=False)
    assert (await client.hello(token=tokens["alice"].value))["authenticated"] is False


# What stands in the way


async def test_all_or_nothing_with_each_reason(path: Path, home: Server) -> None:
    """Whatever stands in the way is told at once, of rows that can't be read and of those that may not come."""
    database, _ = a_family(path)
    database.add_user("admin")
    database.add_user("Hans Müller")
    database.add_user("carol", displayName="a\x1b[2Jb")
    database.add_user("dave", "PermissionScopeFly")
    database.add_user("erin", salt="")
    orphan = database.add_token("frank", "phone")
    late = database.add_token("alice", "phone", creationdate="yesterday")
    for name in ("admin", "Hans Müller", "dave"):
        database.add_token(name)
    lines = await refused(home.data_dir, path)
    assert set(lines) == {
        "user hans müller: a username has 3 to 254 characters of A-Z a-z 0-9 _ . + @ -",
        "user carol: the display name: control characters are not allowed",
        "user dave: scopes has an unknown permission, 'PermissionScopeFly'",
        "user erin: the password's hash is none of nymead's",
        f"token {orphan.id} of frank: its user is not there",
        f"token {late.id} of alice: creationdate: 'yesterday' is no time such as 2024-01-31 18:30:00",
    }
    assert await refused(home.data_dir, path, "--dry-run") == lines
    outcome = await take_over(home.data_dir, path, "--json")
    assert outcome.code == 1
    report = outcome.only_json
    assert report["changed"] is False
    outcomes = {row["username"]: row["outcome"] for row in report["users"]}
    assert outcomes == {
        **dict.fromkeys(("alice", "guest", ""), "added"),
        "admin": "unchanged",
        **dict.fromkeys(("hans müller", "carol", "dave", "erin"), "error"),
    }
    assert all(row["reason"] for row in (*report["users"], *report["tokens"]) if row["outcome"] == "error")
    assert sum(row["outcome"] == "error" for row in report["tokens"]) == 4


async def test_names_that_fall_together_are_refused(path: Path, home: Server) -> None:
    """Names are kept in lower case, so two that differ in nothing else can't both come."""
    database = NymeadDatabase(path)
    for name in ("Bob", "bob"):
        database.add_user(name)
    lines = await refused(home.data_dir, path)
    assert lines == ["user bob: there is another user of this name: upper and lower case make no difference"]


async def test_more_tokens_than_a_user_may_have_are_refused(path: Path, start_server: StartServer) -> None:
    """None of them is dropped: the operator decides, and a raised limit lets all in."""
    database = NymeadDatabase(path)
    database.add_user("alice")
    for _ in range(3):
        database.add_token("alice")
    server = await start_server(limits={"tokens_per_user": 2})
    lines = await refused(server.data_dir, path)
    assert lines == ["user alice: 3 tokens are more than a user may have: 2"]
    assert await take_over(server.data_dir.with_name("another"), path) == Outcome(
        0, "NAME   MAY    TOKENS  OUTCOME\nalice  admin  3       added\nTook over 1 user and 3 tokens.\n", ""
    )


async def test_more_than_a_message_may_have_is_refused(tmp_path: Path, path: Path) -> None:
    """What the server would not take is not sent, and it is said what helps."""
    database = NymeadDatabase(path)
    database.add_user("alice", things=[str(uuid4()) for _ in range(200)])
    data = tmp_path / "data"
    small = await run(data, "import-nymead", str(path), environ={"NYMEAD_USERS_LIMITS__MESSAGE_SIZE": "4096"})
    assert (small.code, small.out) == (1, "")
    assert "more than limits.message_size lets through" in small.err
    assert not data.exists()
    assert (await take_over(data, path)).code == 0


async def test_what_is_no_such_database_is_said(tmp_path: Path, path: Path) -> None:
    """A file that is missing or another one stops the command before it does anything."""
    data = tmp_path / "data"
    for file, said in ((path, "is not there, or is no file"), (Path(__file__), "cannot be read: file is not a data")):
        outcome = await run(data, "import-nymead", str(file))
        assert (outcome.code, outcome.out) == (1, "")
        assert outcome.err.startswith(f"Error: {file} {said}")
    assert not data.exists()


async def test_a_view_is_no_table(tmp_path: Path, path: Path) -> None:
    """A view in a table's place is not read: it could have rows without an end."""
    database = NymeadDatabase(path)
    database.execute("DROP TABLE users")
    database.execute(
        "CREATE VIEW users AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
        " SELECT x AS username, x AS password, x AS salt FROM n"
    )
    outcome = await invoke(tmp_path / "data", "import-nymead", str(path))
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.endswith("is not nymead's user database: no table users.\n")


async def test_our_own_store_is_no_database_of_nymead(home: Server) -> None:
    """Another file of the same table's name is told apart."""
    outcome = await take_over(home.data_dir, home.data_dir / STORE)
    assert outcome.code == 1
    assert "is not nymead's user database: its table users has no password, no salt" in outcome.err


async def test_a_store_that_fails_keeps_nothing_of_it(path: Path, home: Server) -> None:
    """Where the last token can't be stored no user is, and the outcome says so."""
    a_family(path)
    with closing(sqlite3.connect(home.data_dir / STORE)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON tokens WHEN NEW.device_name = 'wall panel'"
            " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    before = everything(home.data_dir)
    outcome = await take_over(home.data_dir, path, "--json")
    assert (outcome.code, outcome.only_json) == (1, {"error": "UserErrorBackendError"})
    assert "the store could not be written; nothing was changed" in outcome.err
    assert everything(home.data_dir) == before
    with closing(sqlite3.connect(home.data_dir / STORE)) as connection, connection:
        connection.execute("DROP TRIGGER full")
    assert (await take_over(home.data_dir, path)).code == 0


async def test_no_secret_is_printed_or_logged(tmp_path: Path, path: Path, spawn_server: SpawnServer) -> None:
    """Neither the command nor the server shows a token or a hash, whatever becomes of them."""
    database, tokens = a_family(path)
    secrets = [token.value for token in tokens.values()]
    for password, salt in database.execute("SELECT password, salt FROM users WHERE username != ''"):
        secrets += [password, salt]
    server = await spawn_server("--log-level", "debug", data_dir=tmp_path / "data")
    outcomes = [await take_over(server.data_dir, path, *options) for options in (["--dry-run"], [], ["--json"])]
    database.execute("UPDATE tokens SET creationdate = 'never', id = 'phone' WHERE username = 'alice'")
    outcomes += [await take_over(server.data_dir, path, *options) for options in ([], ["--json"])]
    assert [outcome.code for outcome in outcomes] == [0, 0, 0, 1, 1]
    server.signal(15)
    await server.ended()
    text = json.dumps([[outcome.out, outcome.err] for outcome in outcomes]) + await server.log()
    assert "users taken over" in text
    assert not any(secret in text for secret in secrets)


async def test_only_the_operator_can_do_it(path: Path, home: Server, transport: Transport, dialect: Dialect) -> None:
    """On the network there is no such method, for administrators neither."""
    admin = await home.login("admin", transport, dialect)
    with pytest.raises(CallError, match=r"No such namespace|Method not found"):
        await admin.call("Operator.ImportUsers", {"users": [], "tokens": [], "dryRun": True})
    operator = await home.operator()
    a_family(path)
    user = {"username": "eve", "email": "", "displayName": "", "scopes": [], "allowedThingIds": []}
    token = {"id": str(uuid4()), "username": "eve", "creationTime": 0, "deviceName": "", "digest": "00" * 32}
    for params, said in (
        ({"users": [{**user, "email": None}], "tokens": []}, "users.0.email"),
        ({"users": [{**user, "scopes": ["Fly"]}], "tokens": []}, "users.0.scopes"),
        ({"users": [user], "tokens": [{**token, "digest": "00"}]}, "tokens.0.digest"),
        ({"users": [user], "tokens": [{**token, "creationTime": -1}]}, "tokens.0.creationTime"),
    ):
        with pytest.raises(CallError, match=said):
            await operator.call("Operator.ImportUsers", {**params, "dryRun": False})
    done = await operator.call("Operator.ImportUsers", {"users": [user], "tokens": [token], "dryRun": False})
    assert (done["error"], done["changed"]) == ("UserErrorNoError", True)
    assert not await log_in(home, "eve")
