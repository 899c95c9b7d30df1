"""The commands ``backup``, ``restore`` and ``check``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from nymead_users.cli.common import ConfigFile, DataDir, Json, configuration, fail, print_json, shown
from nymead_users.config import ConfigError, Settings, load
from nymead_users.storage import copies, health
from nymead_users.storage.datadir import STORE, DataDirectoryError, data_directory, exposed, no_store, one_command
from nymead_users.storage.errors import BackupFailed, StoreUnusable

upkeep_app = typer.Typer()

#: How long before its end a certificate is worth a warning: most are renewed 30 days before.
SOON = timedelta(days=21)


class _Progress:
    """Tells on stderr how far a copy is, every ten percent; nothing of one that takes a moment."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = 0

    def __call__(self, done: int, total: int) -> None:
        tenths = 10 * done // max(total, 1)
        if total > copies.STEP and tenths > self._told:
            self._told = tenths
            then = "; reading it through" if done == total else ""
            typer.echo(f"{self._what}: {tenths}0 %{then}", err=True)


@upkeep_app.command(name="backup")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to make.", show_default=False)],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Back up the store: users, tokens, locks and who may open them, the server's identity.

    The server may run and work meanwhile: the backup is the store as of its begin. It is checked before it
    gets its name, and private to you (mode 0600). Certificates are not in it.

    \b
    Examples:
      nymead-users backup /var/backups/nymead-users.sqlite --force
      nymead-users backup before-the-party.sqlite
    """
    directory = configuration(config, data_dir=data_dir).settings.data_dir
    try:
        if not (directory / STORE).exists():
            raise no_store(directory)
        copies.backup(directory / STORE, file, _Progress("Copied"), overwrite=force)
    except (BackupFailed, DataDirectoryError, StoreUnusable) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{directory} cannot be read: {error.strerror}; see --data-dir.")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if json:
        print_json({"file": str(file.absolute())})
    else:
        typer.echo(f"Backed up the store to {shown(file)}.")


@upkeep_app.command(name="restore")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to restore.", show_default=False)],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Put a backup in the place of the store. The server must be stopped.

    The backup is checked first. The store that was there is kept beside it, under a name with the date.
    Users, passwords and tokens are those of the backup: what was revoked since is valid again.

    \b
    Examples:
      nymead-users restore /var/backups/nymead-users.sqlite
      nymead-users restore /var/backups/nymead-users.sqlite --yes
    """
    directory = configuration(config, data_dir=data_dir).settings.data_dir
    try:
        with one_command(directory, create=True), data_directory(directory):
            if (directory / STORE).exists() and not yes:
                _confirm(f"Replace the store in {shown(directory)} by {shown(file)}?")
            kept = copies.restore(file, directory / STORE, datetime.now(UTC), _Progress("Copied"))
    except (BackupFailed, DataDirectoryError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if json:
        print_json({"file": str(file.absolute()), "kept": None if kept is None else str(kept)})
        return
    typer.echo(f"Restored {shown(file)}.")
    if kept is not None:
        typer.echo(f"The store that was there is kept as {shown(kept)}.")


def _confirm(question: str) -> None:
    if sys.stdin is None or not sys.stdin.isatty():
        fail("nobody to ask whether the store may be replaced: run this at a terminal, or with --yes.")
    if not typer.confirm(question, err=True):
        fail("nothing was changed.")


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of looking at one thing."""

    subject: str
    outcome: Literal["ok", "warning", "failure"]
    text: str


@upkeep_app.command(name="check")
def check(config: ConfigFile = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Check settings, data directory, store and certificate.

    Nothing is changed, and a server may run meanwhile. Exits with 1 if there is a failure; a warning is
    something to see to.

    \b
    Examples:
      nymead-users check
      nymead-users check --config /etc/nymead-users.toml --json
    """
    findings = []
    for finding in _findings(config, data_dir):
        findings.append(finding)
        if not json:
            typer.echo(f"{finding.outcome:<8} {finding.subject}: {shown(finding.text)}")
    if json:
        print_json(
            [{"check": finding.subject, "outcome": finding.outcome, "text": finding.text} for finding in findings]
        )
    if any(finding.outcome == "failure" for finding in findings):
        raise typer.Exit(1)


def _findings(config: Path | None, data_dir: Path | None) -> Iterator[Finding]:
    try:
        settings = load(config, {"data_dir": data_dir}).settings
    except ConfigError as error:
        for problem in str(error).splitlines():
            yield Finding("settings", "failure", problem)
        return
    yield Finding("settings", "ok", "valid")
    yield from _check_directory(settings.data_dir)
    yield from _check_store(settings.data_dir)
    if any(listener.endpoint.tls for listener in settings.listeners):
        yield from _check_certificate(settings)


def _check_directory(directory: Path) -> Iterator[Finding]:
    try:
        problems = exposed(directory)
    except DataDirectoryError as error:
        yield Finding("data directory", "failure", str(error))
        return
    for problem in problems:
        yield Finding("data directory", "failure", problem)
    if not problems:
        yield Finding("data directory", "ok", f"{directory} is its owner's alone")


def _check_store(directory: Path) -> Iterator[Finding]:
    store = directory / STORE
    try:
        if not store.exists():
            raise no_store(directory)
        found = health.check(store)
    except (DataDirectoryError, StoreUnusable) as error:
        yield Finding("store", "failure", str(error))
        return
    except OSError as error:
        yield Finding("store", "failure", f"{store} cannot be read: {error.strerror}")
        return
    for fault in found.faults:
        yield Finding("store", "failure", fault)
    for warning in found.warnings:
        yield Finding("store", "warning", warning)
    if found.outdated:
        yield Finding("store", "warning", "it is of an older version, and upgraded at the server's next start")
    elif not found.faults:
        yield Finding("store", "ok", f"sound; users: {found.users:,}, tokens: {found.tokens:,}")


def _check_certificate(settings: Settings) -> Iterator[Finding]:
    # Slow to import, and not needed where there is no TLS.
    from nymead_users.transport.listener import ListenError  # noqa: PLC0415
    from nymead_users.transport.tls import own_files, validity  # noqa: PLC0415

    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None or key is None:
        certificate, key = own_files(settings.data_dir)
        if not certificate.exists() or not key.exists():
            yield Finding("certificate", "ok", "the server makes one at its next start")
            return
    try:
        begin, end = validity(certificate, key)
        if key.stat().st_mode & 0o007:
            yield Finding("certificate", "failure", f"everybody may read its key {key}: chmod o= it")
    except (ListenError, OSError) as error:
        yield Finding("certificate", "failure", str(error))
        return
    now = datetime.now(UTC)
    if now < begin:
        yield Finding("certificate", "failure", f"{certificate} is valid from {begin:%Y-%m-%d} on, not yet")
    elif now >= end:
        yield Finding("certificate", "failure", f"{certificate} ran out on {end:%Y-%m-%d}")
    elif now >= end - SOON:
        yield Finding("certificate", "warning", f"{certificate} runs out on {end:%Y-%m-%d}")
    else:
        yield Finding("certificate", "ok", f"{certificate} is valid until {end:%Y-%m-%d}")
