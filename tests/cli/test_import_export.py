"""Import and export: files as people write them, what is told of them, and a server that works meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import stat
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from command_line import Outcome, environment, invoke, run
from conftest import PASSWORD, PATIENCE, Server, SpawnServer

from nymead_users.client import Client

DOOR, ADA, GRACE, CODE = (str(UUID(int=number, version=4)) for number in range(1, 5))

HOUSE: dict[str, Any] = {
    "format": "nymead-users",
    "version": 1,
    "users": [{"username": "anna", "password": "Secret123"}, {"username": "bert", "scopes": []}],
    "persons": [
        {"id": ADA, "firstName": "Ada", "lastName": "Lovelace", "phone": "4781549300"},
        {"id": GRACE, "firstName": "=1+1", "username": "anna"},
    ],
    "locks": [{"id": DOOR, "title": "Front door"}],
    "keys": [{"id": CODE, "personId": ADA, "type": "code", "value": "007711", "pin": "9876"}],
    "grants": [{"personId": ADA, "lockId": DOOR}],
}


def write(path: Path, document: Any) -> str:
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


async def exported(data: Path, *only: str) -> Any:
    outcome = await invoke(data, "export", "-", *(word for name in only for word in ("--only", name)))
    assert outcome.code == 0, outcome
    return json.loads(outcome.out)


async def test_a_file_is_imported_into_the_running_server(spawn_server: SpawnServer, tmp_path: Path) -> None:
    """Subscribers hear of each row once, the report says what became of it, and secrets are nowhere in it."""
    server = await spawn_server()
    data = server.data_dir
    file = write(tmp_path / "house.json", HOUSE)
    await invoke(data, "user", "add", "admin", stdin=PASSWORD)
    async with await Client.connect(server.url()) as admin:
        await admin.hello()
        assert await admin.authenticate("admin", PASSWORD, "phone") is not None
        await admin.subscribe("Users", "Access")
        dry = await run(data, "import", file, "--dry-run")
        assert (dry.code, dry.err) == (0, "")
        assert f"would add persons[0] {ADA} Ada Lovelace\n" in dry.out
        assert dry.out.endswith("\nNothing was changed: this was a dry run.\n")
        assert (await exported(data, "persons"))["persons"] == []
        outcome = await run(data, "import", file)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.splitlines()[:4] == [
            "added users[0] anna",
            "added users[1] bert",
            "  it has no password and cannot log in before: nymead-users user passwd bert",
            f"added persons[0] {ADA} Ada Lovelace",
        ]
        assert "users    2      0        0          0\n" in outcome.out
        assert not any(secret in outcome.out + dry.out for secret in ("Secret123", "9876", "007711"))
        heard = []
        async with asyncio.timeout(PATIENCE):
            async for notification in admin.notifications():
                heard.append(notification.name)
                if notification.name == "Users.UserAdded" and notification.params["userInfo"]["username"] == "bert":
                    break
        assert sorted(heard) == [
            "Access.CredentialAdded",
            "Access.GrantAdded",
            "Access.LockAdded",
            "Access.PersonAdded",
            "Access.PersonAdded",
            "Access.SyncPending",
            "Users.UserAdded",
            "Users.UserAdded",
        ]
        again = await invoke(data, "import", file, "--json")
        assert (again.code, again.err) == (0, "")
    async with await Client.connect(server.url()) as anna:
        await anna.hello()
        assert await anna.authenticate("anna", "Secret123", "phone") is not None


async def test_an_export_is_one_private_file_that_changes_nothing(tmp_path: Path) -> None:
    """The file is its owner's alone and not overwritten unasked; imported again or elsewhere it gives the same."""
    here, there, file = tmp_path / "here", tmp_path / "there", tmp_path / "out" / "home.json"
    file.parent.mkdir()
    assert (await invoke(here, "import", write(tmp_path / "house.json", HOUSE))).code == 0
    assert await invoke(here, "export", str(file)) == Outcome(
        0,
        f"Exported to {file}: owners: 1, users: 2, persons: 2, locks: 1, lockGroups: 0, keys: 1, roles: 0,"
        " grants: 1.\n",
        "",
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    refused = await invoke(here, "export", str(file))
    assert (refused.code, refused.out) == (1, "")
    assert "is there already" in refused.err
    assert (await invoke(here, "export", str(file), "--force")).code == 0
    assert (await invoke(here, "export", "-")).out.encode() == file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["home.json"]
    report = (await invoke(here, "import", str(file), "--json")).json
    assert (report["stored"], report["rows"], report["errors"]) == (True, [], [])
    assert (await invoke(there, "import", "-", stdin=before)).code == 0
    assert (await invoke(there, "export", "-")).out.encode() == before


async def test_wrong_rows_are_all_named_and_nothing_is_stored(tmp_path: Path) -> None:
    """Each wrong row is told with its place and the reason, the command exits with 1, and the store is as it was."""
    data = tmp_path / "data"
    await invoke(data, "user", "add", "admin", stdin=PASSWORD)
    before = await exported(data)
    document = {**HOUSE, "keys": [{"type": "code", "value": "12"}], "grants": [{"personId": ADA, "lockId": ADA}]}
    file = write(tmp_path / "house.json", document)
    for options in ((), ("--dry-run",)):
        outcome = await run(data, "import", file, *options)
        assert outcome.code == 1
        assert outcome.err.splitlines() == [
            "keys[0].value: a code has 4 to 16 decimal digits",
            "grants[0].lockId: there is no such lock",
            "Error: 2 things are wrong; nothing was changed.",
        ]
    outcome = await invoke(data, "import", file, "--json")
    assert outcome.code == 1
    assert outcome.only_json["errors"] == [
        {"row": "keys[0]", "field": "value", "reason": "a code has 4 to 16 decimal digits"},
        {"row": "grants[0]", "field": "lockId", "reason": "there is no such lock"},
    ]
    assert await exported(data) == before


async def test_persons_and_keys_are_written_and_read_as_csv(tmp_path: Path) -> None:
    """What a CSV file has is exactly what there is, and taking it in again changes nothing."""
    data = tmp_path / "data"
    await invoke(data, "import", write(tmp_path / "house.json", HOUSE))
    before = await exported(data)
    for name, line in (("persons", ",=1+1,,,,anna,true"), ("keys", f",{ADA},,code,007711,true,true,,")):
        file = tmp_path / f"{name}.csv"
        assert (await invoke(data, "export", str(file), "--only", name)).code == 0
        assert line in file.read_text()
        report = (await invoke(data, "import", str(file), "--json")).json
        assert report["counts"][name]["unchanged"] == len(before[name])
        assert report["rows"] == []
    assert await exported(data) == before
    refused = await invoke(data, "export", str(tmp_path / "all.csv"))
    assert (refused.code, refused.err) == (1, "Error: a CSV file holds one list: --only persons or --only keys.\n")


async def test_csv_of_spreadsheets_is_understood(tmp_path: Path) -> None:
    """A byte order mark, semicolons, empty lines and cells over several lines are fine; errors name the line."""
    data = tmp_path / "data"
    await invoke(data, "import", write(tmp_path / "house.json", HOUSE))
    text = (
        '\ufefffirstName;phone;lastName\r\n"Ada";+47 81 54 93 00;"of\r\nLondon"\r\n;;\r\n\r\nMary;+436641234567;S.\r\n'
    )
    file = write(tmp_path / "persons.csv", text)
    outcome = await invoke(data, "import", file)
    assert outcome.code == 1
    assert outcome.err.startswith("line 2, lastName: control characters are not allowed\n")
    outcome = await invoke(data, "import", write(tmp_path / "persons.csv", text.replace("of\r\nLondon", "L.")))
    assert outcome.out.splitlines()[:2] == [
        f"changed line 2 {ADA} Ada L.: lastName",
        outcome.out.splitlines()[1],
    ]
    assert outcome.out.splitlines()[1].startswith("added line 5 ")
    file = write(tmp_path / "keys.csv", f"type,value,personId,pin\ncode,4711,{ADA}\ncode,12,{ADA},\nphone,x,,\n")
    outcome = await invoke(data, "import", file)
    assert outcome.err.splitlines() == [
        "line 2: it has 3 cells, not 4",
        "line 3, value: a code has 4 to 16 decimal digits",
        "line 4, value: not an international phone number such as +4781549300",
        "Error: 3 things are wrong; nothing was changed.",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"format": "nymead-users", "version": 1, "persons": [}', "it is not JSON"),
        (b'{"format": "nymead-users", "version": 1, "persons": [{"id": "\\ud800"}]}', "it is not JSON"),
        (b'{"format": "nymead-users", "version": 1, "locks": [{"title": "A", "title": "B"}]}', "has title twice"),
        (b"[" * 100_000, "it is not JSON"),
        (b'{"format": "nymead-users", "version": 1, "persons": ' + b"[" * 252 + b"]" * 252 + b"}", "nested too deep"),
        (b'{"persons": []}', 'its "format" should be "nymead-users"'),
        (b'{"format": "nymead-users", "version": 2}', 'its "version" is not 1'),
        (b'{"format": "nymead-users", "version": true}', 'its "version" is not 1'),
        (b'{"format": "nymead-users", "version": 1, "people": []}', "there is no list people"),
        (b'{"format": "nymead-users", "version": 1, "persons": {}}', "persons should be a list"),
        (b"\xff\xfe{", "is not UTF-8 text: byte 0"),
        (b"", "line 1: it names no columns"),
        (b"name,age\nA,3\n", "line 1: it names no columns"),
        (b"firstName,age\nA,3\n", "line 1: persons have no column age"),
        (b"firstName,firstName\nA,3\n", "line 1: the column firstName is there twice"),
        (b'firstName\nA\n"B\n', "line 3: it is not CSV"),
    ],
)
async def test_a_file_that_cannot_be_understood_is_refused(server: Server, text: bytes, reason: str) -> None:
    """A file that is neither a document nor CSV is refused with the reason, before the server is asked."""
    outcome = await invoke(server.data_dir, "import", "-", stdin=text)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("Error: -")
    assert reason in outcome.err


async def test_rows_that_no_message_can_hold_are_refused(server: Server, tmp_path: Path) -> None:
    """Rows of any shape are told to be wrong, and none of them ends in a traceback."""
    rows = [{"id": 2**63}, {"firstName": 1e308}, [[]], None, {"firstName": "\x00"}, {f"x{n}": n for n in range(90)}]
    document = {"format": "nymead-users", "version": 1, "persons": rows}
    outcome = await invoke(server.data_dir, "import", write(tmp_path / "rows.json", document), "--json")
    assert outcome.code == 1
    assert {error["row"] for error in outcome.only_json["errors"]} == {f"persons[{n}]" for n in range(len(rows))}


async def test_a_row_that_is_longer_than_a_message_is_named(tmp_path: Path) -> None:
    """A row that no call can hold is named with the setting that it exceeds, and nothing is stored."""
    document = {"format": "nymead-users", "version": 1, "persons": [{}, {"firstName": "x" * 2_000_000}]}
    outcome = await invoke(tmp_path / "data", "import", write(tmp_path / "rows.json", document))
    assert outcome.code == 1
    assert outcome.err.startswith("Error: persons[1] takes 2,000,")
    assert outcome.err.endswith(" bytes, more than limits.message_size lets through.\n")
    assert not (tmp_path / "data").exists()


async def test_files_that_are_not_there(tmp_path: Path) -> None:
    """What cannot be read or written is said, and a store is made by nothing but a real import."""
    data = tmp_path / "data"
    assert "cannot be read" in (await invoke(data, "import", str(tmp_path / "none.json"))).err
    file = write(tmp_path / "house.json", HOUSE)
    outcome = await invoke(data, "export", str(tmp_path / "out.json"))
    assert (outcome.code, "holds no store" in outcome.err) == (1, True)
    # What would be done on a new server can be tried without one.
    outcome = await invoke(data, "import", file, "--dry-run")
    assert (outcome.code, "this was a dry run" in outcome.out) == (0, True)
    assert not data.exists()
    assert not (tmp_path / "out.json").exists()
    assert (await invoke(data, "import", file)).code == 0
    outcome = await invoke(data, "export", str(tmp_path / "no" / "out.json"))
    assert (outcome.code, "cannot be written" in outcome.err) == (1, True)


async def test_a_large_file_is_taken_while_others_work(server: Server, tmp_path: Path) -> None:
    """Ten thousand persons with a key each are imported and exported; others are answered meanwhile and hear all."""
    count = 10_000
    ids = [(str(UUID(int=(1 << 64) + n, version=4)), str(UUID(int=(2 << 64) + n, version=4))) for n in range(count)]
    document = {
        "format": "nymead-users",
        "version": 1,
        "persons": [{"id": person, "firstName": f"Person {n}"} for n, (person, _) in enumerate(ids)],
        "keys": [
            {"id": key, "personId": person, "type": "code", "value": str(100_000 + n)}
            for n, (person, key) in enumerate(ids)
        ],
    }
    file = write(tmp_path / "many.json", document)
    subscriber, other = await server.operator(), await server.operator()
    await subscriber.subscribe("Access")
    importing = asyncio.create_task(invoke(server.data_dir, "import", file, "--json"))
    answered = 0
    while not importing.done():
        await other.call("JSONRPC.Version")
        answered += 1
    report = (await importing).json
    assert report["counts"]["persons"]["added"] == report["counts"]["keys"]["added"] == count
    assert answered > 100
    heard: set[str] = set()
    async for notification in subscriber.notifications():
        heard.add(next(iter(notification.params.values()))["id"])
        if len(heard) == 2 * count:
            break
    assert heard == {each for pair in ids for each in pair}
    back = await exported(server.data_dir, "persons", "keys")
    assert (len(back["persons"]), len(back["keys"])) == (count, count)


async def test_a_connection_that_ends_leaves_nothing(server: Server) -> None:
    """Rows of a connection that ended before its import did are forgotten, and those of another are not mixed in."""
    first, second = await server.operator(), await server.operator()
    for client, name in ((first, "First"), (second, "Second")):
        await client.call("Operator.BeginImport", {"dryRun": False})
        await client.call("Operator.ImportRows", {"kind": "persons", "rows": [{"firstName": name}]})
    await first.close()
    assert (await second.call("Operator.EndImport"))["stored"]
    assert [person["firstName"] for person in (await exported(server.data_dir))["persons"]] == ["Second"]
    assert (await second.call("Operator.EndImport"))["counts"] == {}


async def test_a_killed_server_has_all_or_nothing(spawn_server: SpawnServer, tmp_path: Path) -> None:
    """A server that is killed while it imports has everything in the file afterwards, or nothing."""
    count = 1000
    persons = [{"firstName": f"Person {n}", "phone": f"+4781{n:06}"} for n in range(count)]
    file = write(tmp_path / "many.json", {"format": "nymead-users", "version": 1, "persons": persons})
    chance = random.Random(7)  # noqa: S311 - when the blow falls
    data = tmp_path / "data"
    there = 0
    for _ in range(4):
        process = await spawn_server(data_dir=data)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "nymead_users", "import", file),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(data),
        )
        try:
            async with asyncio.timeout(chance.uniform(0.4, 1.6)):
                await child.wait()
        except TimeoutError:
            pass
        process.signal(signal.SIGKILL)
        await process.ended()
        async with asyncio.timeout(PATIENCE):
            await child.wait()
        now = len((await exported(data, "persons"))["persons"])
        assert now - there in (0, count)
        there = now
