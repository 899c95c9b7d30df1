"""The commands ``serve``, ``press-button`` and ``config``, and the way to the others."""

from __future__ import annotations

import gc
import logging
import shlex
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from nymead_users import __version__, logs
from nymead_users.cli.common import (
    ConfigFile,
    DataDir,
    Json,
    configuration,
    fail,
    group,
    operate,
    print_json,
)
from nymead_users.cli.files import files_app
from nymead_users.cli.nymead import nymead_app
from nymead_users.cli.tokens import token_app
from nymead_users.cli.upkeep import upkeep_app
from nymead_users.cli.users import user_app
from nymead_users.client import Client
from nymead_users.config import Configuration, flatten
from nymead_users.storage.datadir import DataDirectoryError, one_command
from nymead_users.storage.errors import StoreUnusable
from nymead_users.transport.listener import ListenError

if TYPE_CHECKING:
    from nymead_users.app import Running

app = group(
    """Users, tokens and permissions for the home, over nymea's JSON-RPC API and JSON-RPC 2.0.

    \b
    Begin with:
      nymead-users serve
      nymead-users user add alice
    """
)
config_app = group(
    """The settings.

    \b
    Example:
      nymead-users config show
    """
)
app.add_typer(user_app, name="user")
app.add_typer(token_app, name="token")
app.add_typer(config_app, name="config")
app.add_typer(upkeep_app)
app.add_typer(nymead_app)
app.add_typer(files_app)


class LogLevel(StrEnum):
    """How much is logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class LogFormat(StrEnum):
    """How log lines look."""

    text = "text"
    json = "json"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nymead-users {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version and exit.")
    ] = False,
) -> None:
    pass


Listen = Annotated[
    list[str] | None,
    typer.Option(
        "--listen",
        metavar="URL",
        help="Where to listen: nymea://, nymeas:// (TLS), ws://, wss:// or unix:///path; port 0 picks a free one."
        " May be given several times. Without it: nymea://127.0.0.1:2222 and ws://127.0.0.1:4444.",
        show_default=False,
    ),
]
Insecure = Annotated[
    bool | None,
    typer.Option("--insecure", help="Allow passwords and tokens in plaintext beyond this machine.", show_default=False),
]
PushButton = Annotated[
    bool | None, typer.Option("--push-button", help="Let people log in by pressing a button.", show_default=False)
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert", metavar="FILE", help="Certificate as PEM. Without it: one is made and kept.", show_default=False
    ),
]
TlsKey = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", help="The certificate's key as PEM.", show_default=False)
]
Level = Annotated[
    LogLevel | None, typer.Option("--log-level", help="How much to log: info, unless set.", show_default=False)
]
Format = Annotated[
    LogFormat | None, typer.Option("--log-format", help="How log lines look: text, unless set.", show_default=False)
]


@app.command(name="serve")
def serve_command(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    listen: Listen = None,
    insecure: Insecure = None,
    push_button: PushButton = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    log_level: Level = None,
    log_format: Format = None,
) -> None:
    """Run the server until SIGTERM or Ctrl+C.

    It prints one line per listener, "Listening on URL", once everything is up.

    \b
    Examples:
      nymead-users serve
      nymead-users serve --listen nymeas://0.0.0.0:2222 --listen wss://0.0.0.0:4444
      nymead-users serve --config /etc/nymead-users.toml --log-format json
    """
    loaded = configuration(
        config,
        data_dir=data_dir,
        listeners=listen or None,
        insecure=insecure,
        push_button=push_button,
        tls_cert=tls_cert,
        tls_key=tls_key,
        log__level=log_level and log_level.value,
        log__format=log_format and log_format.value,
    )
    settings = loaded.settings
    logs.configure(settings.log.level, settings.log.format)

    starting = ExitStack()

    def announce(server: Running) -> None:
        starting.close()
        gc.freeze()
        gc.enable()
        for endpoint in server.endpoints:
            typer.echo(f"Listening on {endpoint}")
        if server.metrics is not None:
            typer.echo(f"Metrics on {server.metrics}/metrics")
        if server.fingerprint is not None:
            typer.echo(f"TLS certificate SHA-256 fingerprint: {server.fingerprint}")
        typer.echo(f"Next: {_next(loaded) if server.initial_setup_required else LOG_IN}")

    # What is made from here on until the server is up stays: looking for garbage in it would slow down the start, and
    # every later search.
    gc.disable()
    # Slow to import, and needed by no command but this one.
    import uvloop  # noqa: PLC0415

    from nymead_users.app import serve  # noqa: PLC0415

    try:
        with starting:
            # A command that works on the store finishes first; those that come now wait until the server is up.
            starting.enter_context(one_command(settings.data_dir, create=True))
            uvloop.run(serve(settings, announce))
    except (DataDirectoryError, StoreUnusable, ListenError) as error:
        logging.getLogger(__name__).debug("start failed", exc_info=True)
        fail(str(error))


LOG_IN = "connect nymea-app or any client and log in."


def _next(loaded: Configuration) -> str:
    """How to make the first administrator."""
    command = "nymead-users user add NAME"
    if loaded.origins["data_dir"] != "default":
        command += f" --data-dir {shlex.quote(str(loaded.settings.data_dir))}"
    who = {
        "anyone": "connect nymea-app or any client and make the first administrator, or run: ",
        "local": "connect any client on this machine and make the first administrator, or run: ",
        "off": "make the first administrator: ",
    }
    return who[loaded.settings.initial_setup] + command


@app.command(name="press-button")
def press_button(config: ConfigFile = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Press the push button.

    Whoever asked last, on any device, gets an administrator's token. Exits with 1 if nobody waits.

    \b
    Example:
      nymead-users press-button
    """

    async def work(client: Client) -> dict[str, Any]:
        return await client.call("Operator.PressButton")

    granted = bool(operate(configuration(config, data_dir=data_dir).settings, work)["success"])
    if json:
        print_json({"success": granted})
    else:
        typer.echo("Somebody waited and is logged in now." if granted else "Nobody waits for the button.")
    if not granted:
        raise typer.Exit(1)


@config_app.command(name="show")
def config_show(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    listen: Listen = None,
    insecure: Insecure = None,
    push_button: PushButton = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    log_level: Level = None,
    log_format: Format = None,
    json: Json = False,
) -> None:
    """Show every setting, its value and where it came from.

    Options win over the environment, which wins over the file. In the environment a setting is called
    NYMEAD_USERS_ and its name in upper case, with two underscores for a dot. The output is a valid file.

    \b
    Examples:
      nymead-users config show --config /etc/nymead-users.toml
      NYMEAD_USERS_LIMITS__CONNECTIONS=500 nymead-users config show --json
    """
    shown: Configuration = configuration(
        config,
        data_dir=data_dir,
        listeners=listen or None,
        insecure=insecure,
        push_button=push_button,
        tls_cert=tls_cert,
        tls_key=tls_key,
        log__level=log_level and log_level.value,
        log__format=log_format and log_format.value,
    )
    values = flatten(shown.settings)
    if json:
        print_json({key: {"value": value, "origin": shown.origins[key]} for key, value in values.items()})
        return
    lines = {
        key: f"# {key} is not set" if value is None else f"{key} = {_toml(value)}" for key, value in values.items()
    }
    # The origins stand in a column, but for the few values that are very long.
    width = max(len(line) for line in lines.values() if len(line) <= 60)
    for key, line in lines.items():
        typer.echo(f"{line:<{width}}  # {shown.origins[key]}")


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        if value.get("authentication"):  # a listener as it mostly is: its URL stands for it
            return _toml(value["url"])
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    return orjson.dumps(value).decode()


def main() -> None:
    """Run the command line."""
    app(prog_name="nymead-users")
