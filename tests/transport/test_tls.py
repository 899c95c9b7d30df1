"""The server's certificate: made once, or given by the operator."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import ipaddress
import logging
import socket
import ssl
import stat
from pathlib import Path

import pytest
from conftest import PATIENCE, StartServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from nymead_users.client import Client
from nymead_users.endpoint import Endpoint
from nymead_users.transport.listener import ListenError
from nymead_users.transport.tls import CERTIFICATE, KEY, server_tls


def made(directory: Path) -> tuple[Path, Path]:
    """A certificate and its key, made in a new directory."""
    directory.mkdir()
    server_tls(None, None, directory)
    return directory / CERTIFICATE, directory / KEY


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_certificate_is_made_once(tmp_path: Path) -> None:
    """Without a given certificate one is made for this machine, kept with private modes, and used from then on."""
    tls = server_tls(None, None, tmp_path)
    assert tls.self_signed
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {
        CERTIFICATE: 0o600,
        KEY: 0o600,
    }
    certificate = x509.load_pem_x509_certificate((tmp_path / CERTIFICATE).read_bytes())
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert tls.fingerprint.replace(":", "") == hashlib.sha256(der).hexdigest().upper()
    assert tls.fingerprint.count(":") == 31
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", socket.gethostname()} <= set(names.get_values_for_type(x509.DNSName))
    assert {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")} <= set(
        names.get_values_for_type(x509.IPAddress)
    )
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    now = datetime.datetime.now(datetime.UTC)
    assert certificate.not_valid_before_utc < now
    assert certificate.not_valid_after_utc > now + datetime.timedelta(days=10 * 365)

    kept = contents(tmp_path)
    assert server_tls(None, None, tmp_path).fingerprint == tls.fingerprint
    assert contents(tmp_path) == kept


@pytest.mark.parametrize("lost", [CERTIFICATE, KEY])
def test_half_a_pair_is_made_anew(tmp_path: Path, lost: str) -> None:
    """Where the certificate or its key is missing, as after a power cut in between, a new pair is made."""
    first = server_tls(None, None, tmp_path)
    (tmp_path / lost).unlink()
    second = server_tls(None, None, tmp_path)
    assert second.fingerprint != first.fingerprint
    assert server_tls(None, None, tmp_path).fingerprint == second.fingerprint


@pytest.mark.parametrize("name", ["", "h" * 64, "kitchen.example.org", "hütte", "no_such-host"])
def test_any_machine_gets_a_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Whatever the machine is called, a certificate can be made for it, good for localhost at least."""
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    server_tls(None, None, tmp_path)
    certificate = x509.load_pem_x509_certificate((tmp_path / CERTIFICATE).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)


def test_old_protocols_are_not_spoken(tmp_path: Path) -> None:
    """Nothing below TLS 1.2 is accepted."""
    assert server_tls(None, None, tmp_path).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_given_pair_is_used(tmp_path: Path) -> None:
    """The operator's certificate is used as it is, and none is made."""
    certificate, key = made(tmp_path / "given")
    expected = server_tls(None, None, tmp_path / "given").fingerprint
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    tls = server_tls(certificate, key, data_dir)
    assert (tls.fingerprint, tls.self_signed) == (expected, False)
    assert not list(data_dir.iterdir())


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    """Files that are missing, of another kind, of another pair or behind a passphrase are named with the reason."""
    certificate, key = made(tmp_path / "mine")
    _, other_key = made(tmp_path / "theirs")
    none, text, half, locked = (tmp_path / name for name in ("none.pem", "text.pem", "half.pem", "locked.pem"))
    text.write_text("hello")
    half.write_bytes(certificate.read_bytes()[:200])
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    unusable = "it must be a private key in PEM form without a passphrase"
    for given, message in {
        (none, key): f"{none}: No such file or directory",
        (certificate, none): f"{none}: No such file or directory",
        (tmp_path, key): f"{tmp_path}: Is a directory",
        (text, key): f"{text} holds no certificate in PEM form",
        (half, key): f"{half} holds no certificate in PEM form",
        (key, certificate): f"{key} holds no certificate in PEM form",
        (certificate, other_key): f"{other_key} is not the key of the certificate {certificate}",
        (certificate, text): f"{text} can't be the key of {certificate}: {unusable}",
        (certificate, locked): f"{locked} can't be the key of {certificate}: {unusable}",
    }.items():
        with pytest.raises(ListenError) as refusal:
            server_tls(*given, tmp_path)
        assert str(refusal.value) == message


def test_a_damaged_pair_of_its_own_is_not_replaced_by_the_way(tmp_path: Path) -> None:
    """A damaged certificate that was made here is refused with the way out: clients may have pinned it."""
    certificate, _ = made(tmp_path / "data")
    certificate.write_bytes(b"")
    before = contents(tmp_path / "data")
    with pytest.raises(ListenError, match="Remove both files, and the next start makes new ones"):
        server_tls(None, None, tmp_path / "data")
    assert contents(tmp_path / "data") == before


async def refuse_the_certificate(
    context: ssl.SSLContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Shake hands up to the certificate, and tell the server that it is not trusted."""
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(received, sent, server_hostname="localhost")
    refused = False
    while not refused:
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            writer.write(sent.read())
            received.write(await reader.read(2**16))
        except ssl.SSLCertVerificationError:
            writer.write(sent.read())
            refused = True


@pytest.mark.parametrize("scheme", ["nymeas", "wss"])
async def test_a_failed_handshake_is_logged(
    start_server: StartServer, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    """Plaintext on a TLS port and a client that does not trust the certificate leave one line each with the reason."""
    server = await start_server(listeners=[f"{scheme}://127.0.0.1:0"])
    url = Endpoint.parse(server.urls[0])
    distrust = ssl.create_default_context()
    with caplog.at_level(logging.INFO):
        for tls in (None, distrust):
            reader, writer = await asyncio.open_connection(url.host, url.port)
            async with asyncio.timeout(PATIENCE):
                if tls is None:
                    writer.write(b"GET / HTTP/1.1\r\n\r\n")
                else:
                    await refuse_the_certificate(tls, reader, writer)
                assert b"HTTP" not in await reader.read()
            writer.close()
    failed = [record for record in caplog.records if record.message == "TLS handshake failed"]
    assert [vars(record)["reason"] for record in failed] == ["HTTP_REQUEST", "TLSV1_ALERT_UNKNOWN_CA"]
    assert all(record.exc_info is None for record in failed)


@pytest.mark.parametrize("scheme", ["nymeas", "wss"])
async def test_a_tls_handshake_that_never_comes_is_not_waited_for(start_server: StartServer, scheme: str) -> None:
    """Who connects to a TLS port and sends nothing, or half a handshake, is cut off; others are served meanwhile."""
    server = await start_server(listeners=[f"{scheme}://127.0.0.1:0"], limits={"handshake_time": 1.0})
    url = Endpoint.parse(server.urls[0])
    silent, silent_writer = await asyncio.open_connection(url.host, url.port)
    slow, slow_writer = await asyncio.open_connection(url.host, url.port)
    slow_writer.write(b"\x16\x03\x01\x02\x00\x01")  # a ClientHello begins so
    certificate = x509.load_pem_x509_certificate((server.data_dir / CERTIFICATE).read_bytes())
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    async with await Client.connect(str(url), fingerprint=fingerprint) as client:
        await client.hello()
        async with asyncio.timeout(PATIENCE):
            assert await silent.read() == b""
            assert await slow.read() == b""
        await client.hello()
    silent_writer.close()
    slow_writer.close()
