"""TLS: the server's certificate, given or made here, and its fingerprint."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import logging
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nymead_users.transport.listener import ListenError

log = logging.getLogger(__name__)

#: How long a certificate made here is valid. Clients pin it by its fingerprint; one that ran out would
#: lock them out for nothing.
VALIDITY = datetime.timedelta(days=20 * 365)

CERTIFICATE, KEY = "tls-cert.pem", "tls-key.pem"


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What TLS listeners need; ``fingerprint`` is the certificate's SHA-256 as people compare it."""

    context: ssl.SSLContext
    fingerprint: str
    self_signed: bool


class _Handshake(ssl.SSLObject):
    """One connection's TLS, which tells of a handshake that fails; the event loop keeps that to itself.

    It sees bytes only, so the line does not say whose they are.
    """

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            log.info("TLS handshake failed", extra={"reason": error.reason or str(error)})
            raise


def server_tls(certificate: Path | None, key: Path | None, data_dir: Path) -> ServerTls:
    """Load the given certificate, or the one in the data directory, made there once.

    Raises ListenError where a file is missing or does not fit.
    """
    self_signed = certificate is None or key is None
    if certificate is None or key is None:
        certificate, key = own_files(data_dir)
        if not certificate.exists() or not key.exists():
            try:
                _make(certificate, key)
            except OSError as error:
                raise ListenError(f"{data_dir}: a certificate can't be kept there: {error.strerror}") from error
    try:
        der = _der(certificate)
        return ServerTls(_context(certificate, key), fingerprint(der), self_signed)
    except ListenError as error:
        anew = ". Remove both files, and the next start makes new ones" if self_signed else ""
        raise ListenError(f"{error}{anew}") from error


def own_files(data_dir: Path) -> tuple[Path, Path]:
    """Where the certificate that the server makes for itself is, and its key."""
    return data_dir / CERTIFICATE, data_dir / KEY


def validity(certificate: Path, key: Path) -> tuple[datetime.datetime, datetime.datetime]:
    """From when to when a certificate is valid, in UTC. Raises ListenError where it can't be used with the key."""
    found = x509.load_der_x509_certificate(_der(certificate))
    _context(certificate, key)
    return found.not_valid_before_utc, found.not_valid_after_utc


def fingerprint(der: bytes) -> str:
    """The SHA-256 fingerprint of a certificate, in upper-case hex with colons."""
    return hashlib.sha256(der).digest().hex(":").upper()


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    _read(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslobject_class = _Handshake
    try:
        # An empty passphrase: OpenSSL would ask for one at the terminal otherwise, and wait.
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ListenError(f"{key} is not the key of the certificate {certificate}") from error
        raise ListenError(
            f"{key} can't be the key of {certificate}: it must be a private key in PEM form without a passphrase"
        ) from error
    return context


def _der(certificate: Path) -> bytes:
    try:
        return x509.load_pem_x509_certificate(_read(certificate)).public_bytes(serialization.Encoding.DER)
    except ValueError as error:
        raise ListenError(f"{certificate} holds no certificate in PEM form") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ListenError(f"{file}: {error.strerror}") from error


def _make(certificate_path: Path, key_path: Path) -> None:
    """Make a key and a certificate signed by it, for this machine's names and loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A certificate takes ASCII names only.
    host = socket.gethostname().encode("ascii", "ignore").decode() or "localhost"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    names = dict.fromkeys((host, f"{host.partition('.')[0]}.local", "localhost"))
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A day back: clocks of small machines are not always right when they first start.
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName(
                [
                    *(x509.DNSName(known) for known in names),
                    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                    x509.IPAddress(ipaddress.ip_address("::1")),
                ]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    _write(
        key_path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
    _write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))


def _write(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 that is either whole or absent."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
