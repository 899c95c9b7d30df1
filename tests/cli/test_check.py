"""What nymead-users check finds, and how it says it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from command_line import Outcome, invoke, run
from conftest import PASSWORD, SpawnServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from test_backup import STORE, contents, corrupt, dangling, execute, make, newer


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """A data directory with one administrator."""
    await make(tmp_path / "data", "alice")
    return tmp_path / "data"


def lines(outcome: Outcome, word: str) -> list[str]:
    """What was found of one outcome."""
    return [line.removeprefix(word).strip() for line in outcome.out.splitlines() if line.startswith(word)]


async def test_all_is_well_beside_a_running_server(spawn_server: SpawnServer) -> None:
    """Beside a running server each thing is looked at and found well, and nothing is changed."""
    server = await spawn_server("--listen", "nymeas://127.0.0.1:0", "--listen", "unix:///dev/null/not-used", up=False)
    assert await server.ended() == 1  # it has made its certificate before it failed
    server = await spawn_server()
    await invoke(server.data_dir, "user", "add", "alice", stdin=PASSWORD)
    before = {name: digest for name, digest in contents(server.data_dir).items() if not name.endswith("-shm")}
    tls = {"NYMEAD_USERS_LISTENERS": "nymeas://127.0.0.1:0"}
    outcome = await run(server.data_dir, "check", environ=tls)
    assert (outcome.code, outcome.err) == (0, "")
    found = lines(outcome, "ok")
    assert [line.partition(":")[0] for line in found] == ["settings", "data directory", "store", "certificate"]
    assert found[2] == "store: sound; users: 1, tokens: 0"
    assert "is valid until" in found[3]
    assert len(outcome.out.splitlines()) == 4
    after = {name: digest for name, digest in contents(server.data_dir).items() if not name.endswith("-shm")}
    assert after == before
    listed = (await run(server.data_dir, "check", "--json", environ=tls)).json
    assert [finding["outcome"] for finding in listed] == ["ok"] * 4
    assert listed[0] == {"check": "settings", "outcome": "ok", "text": "valid"}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (corrupt, "is damaged"),
        (newer, "is of a newer version"),
        (dangling, "refer to users that are not there"),
        (lambda store: execute(store, "UPDATE users SET scopes = 16"), "user 'alice': the permissions 16 contradict"),
        (lambda store: execute(store, "UPDATE users SET scopes = -1"), "user 'alice': the permissions -1 contradict"),
        (lambda store: execute(store, "UPDATE users SET username = 'Alice'"), "user 'Alice': the name is not in lower"),
        (lambda store: execute(store, "UPDATE users SET allowed_thing_ids = '[7]'"), "not a list of uuids"),
        (lambda store: execute(store, "UPDATE users SET password_hash = 'secret'"), "hash is none of Argon2id"),
        (lambda store: execute(store, "INSERT INTO tokens VALUES ('x', 1, x'00', 0, '')"), "token 'x': the id is no"),
        (lambda store: execute(store, "DELETE FROM server"), "the server's identity is not one uuid"),
        (lambda store: store.unlink(), "holds no store"),
    ],
)
async def test_what_is_wrong_in_the_store_is_found(data: Path, spoil: object, said: str) -> None:
    """Damage and rows that break the program's own rules are failures, and no secret is in the words."""
    assert callable(spoil)
    spoil(data / STORE)
    outcome = await invoke(data, "check")
    assert outcome.code == 1
    assert any(line.startswith("store: ") and said in line for line in lines(outcome, "failure")), outcome
    assert "secret" not in outcome.out


async def test_a_store_without_an_administrator_is_worth_a_warning(data: Path) -> None:
    """Where nobody may manage users, a warning says so; the exit code stays 0."""
    execute(data / STORE, "UPDATE users SET scopes = 1")
    outcome = await invoke(data, "check")
    assert outcome.code == 0
    assert lines(outcome, "warning") == ["store: no user is an administrator: nymead-users user scopes NAME admin"]


@pytest.mark.parametrize("name", [".", STORE, "server.lock"])
async def test_what_others_may_reach_is_a_failure(data: Path, name: str) -> None:
    """A directory or file that others may reach is named, with what helps."""
    (data / name).chmod(0o740)
    outcome = await invoke(data, "check")
    assert outcome.code == 1
    (found,) = lines(outcome, "failure")
    path = data / name
    assert found == f"data directory: {path} has mode 0740, so others may reach it: chmod go= {path}"


async def test_wrong_settings_are_named(data: Path, tmp_path: Path) -> None:
    """Each problem of the settings is a failure; without settings there is nothing else to look at."""
    file = tmp_path / "settings.toml"
    file.write_text('server_name = ""\nlistener = []\n')
    outcome = await invoke(data, "check", "--config", str(file))
    assert outcome.code == 1
    assert len(lines(outcome, "failure")) == len(outcome.out.splitlines()) == 2
    assert "did you mean listeners?" in outcome.out


def certificate(directory: Path, begin: int, end: int) -> None:
    """Write a certificate that is valid from so many days from now until so many."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "home")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + datetime.timedelta(days=begin))
        .not_valid_after(now + datetime.timedelta(days=end))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "c.pem").write_bytes(made.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    (directory / "k.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    (directory / "k.pem").chmod(0o640)


@pytest.mark.parametrize(
    ("begin", "end", "outcome", "said"),
    [
        (-10, 90, "ok", "is valid until"),
        (-10, 10, "warning", "runs out on"),
        (-10, -1, "failure", "ran out on"),
        (1, 90, "failure", "not yet"),
    ],
)
async def test_the_certificate_is_looked_at(
    data: Path, tmp_path: Path, begin: int, end: int, outcome: str, said: str
) -> None:
    """A certificate that ran out, or is not valid yet, is a failure; one that soon runs out is a warning."""
    certificate(tmp_path, begin, end)
    checked = await invoke(data, "check", "--config", str(tls(tmp_path)))
    assert checked.code == (1 if outcome == "failure" else 0)
    (found,) = (line for line in lines(checked, outcome) if line.startswith("certificate: "))
    assert said in found


def tls(directory: Path) -> Path:
    """Settings with a TLS listener and the certificate."""
    file = directory / "settings.toml"
    file.write_text(
        f'listeners = ["nymeas://127.0.0.1"]\ntls_cert = "{directory}/c.pem"\ntls_key = "{directory}/k.pem"\n'
    )
    return file


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "c.pem").unlink(), "No such file"),
        (lambda folder: (folder / "c.pem").write_text("x"), "holds no certificate"),
        (lambda folder: (folder / "k.pem").write_text("x"), "must be a private key"),
        (lambda folder: (folder / "k.pem").chmod(0o644), "everybody may read its key"),
    ],
)
async def test_a_certificate_that_cannot_be_used_is_a_failure(
    data: Path, tmp_path: Path, spoil: object, said: str
) -> None:
    """A certificate or key that is missing, is none, or is open to everybody is a failure."""
    assert callable(spoil)
    certificate(tmp_path, -10, 90)
    spoil(tmp_path)
    checked = await invoke(data, "check", "--config", str(tls(tmp_path)))
    assert checked.code == 1
    assert any(said in line for line in lines(checked, "failure"))
