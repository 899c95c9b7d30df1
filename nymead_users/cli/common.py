"""What the commands share: options, output, errors, and the way to the server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer

from nymead_users.app import running
from nymead_users.client import CallError, Client, ClientError, ConnectionFailed
from nymead_users.config import ConfigError, Configuration, Settings, load
from nymead_users.storage.datadir import (
    CONTROL_SOCKET,
    STORE,
    DataDirectoryError,
    DataDirectoryInUseError,
)
from nymead_users.storage.errors import StoreUnusable
from nymead_users.transport.listener import ListenError

T = TypeVar("T")

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings as TOML. Also: NYMEAD_USERS_CONFIG.", show_default=False),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where the store, the control socket and the certificate are.",
        show_default="the platform's state directory",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer as one line of JSON, for scripts.")]

#: What the API's outcomes mean for a person at the command line.
OUTCOMES = {
    "UserErrorBackendError": "The store could not be written. Nothing was changed; the server's log says why.",
    "UserErrorInvalidUserId": "There is no such user, or the name breaks the rules:"
    " 3 to 254 characters of A-Z a-z 0-9 _ . + @ -",
    "UserErrorDuplicateUserId": "This username is taken.",
    "UserErrorBadPassword": "The password breaks the rules: at least 8 characters, among them"
    " a lower-case letter, an upper-case letter and a digit; at most 1,024 bytes.",
    "UserErrorTokenNotFound": "There is no token of this id.",
    "UserErrorPermissionDenied": "This is not permitted.",
    "UserErrorInconsistantScopes": "These scopes contradict one another: everything but control alone needs"
    " access-all-things.",
}


def fail(message: str) -> NoReturn:
    """Say what went wrong on stderr and exit with 1."""
    typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(1)


def configuration(config: Path | None, **options: Any) -> Configuration:
    """The settings from file, environment and these options (dots written as two underscores)."""
    try:
        return load(config, {key.replace("__", "."): value for key, value in options.items()})
    except ConfigError as error:
        fail(str(error))


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    typer.echo(orjson.dumps(value).decode())


def operate(settings: Settings, work: Callable[[Client], Awaitable[T]], *, create: bool = False) -> T:
    """Do something as the machine's operator.

    Through the running server's control socket, so that live sessions notice; where no server runs,
    through one that is up for the moment, on that socket alone. ``create``: also where there is no store yet.
    """
    return _run(_operate(settings, work, create=create))


def _run(main: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(main)
    except CallError as error:
        fail(error.message)
    except (ClientError, DataDirectoryError, StoreUnusable, ListenError) as error:
        fail(str(error))
    except TimeoutError:
        fail("the server did not answer in time")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


async def _operate(settings: Settings, work: Callable[[Client], Awaitable[T]], *, create: bool) -> T:
    async with _control(settings, create=create) as client:
        await client.hello()
        return await work(client)


@asynccontextmanager
async def _control(settings: Settings, *, create: bool) -> AsyncIterator[Client]:
    """A connection to the control socket of the server, or of one that lives as long as the block."""
    url = f"unix://{(settings.data_dir / CONTROL_SOCKET).absolute()}"
    try:
        client = await Client.connect(url)
    except ConnectionFailed:
        if not create and not (settings.data_dir / STORE).exists():
            raise DataDirectoryError(
                f"{settings.data_dir} holds no store: no server has run on it yet."
                " Name another directory with --data-dir, or make a user first."
            ) from None
        try:
            async with running(settings, offline=True), await Client.connect(url) as temporary:
                yield temporary
        except DataDirectoryInUseError as error:
            raise DataDirectoryError(
                f"a server is starting or stopping on {settings.data_dir}; try again in a moment."
            ) from error
    else:
        async with client:
            yield client


async def perform(client: Client, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Call a method of the Users namespace; says so and exits where its outcome is an error."""
    result = await client.call(method, params)
    error = result.get("error", "UserErrorNoError")
    if error != "UserErrorNoError":
        fail(f"{OUTCOMES.get(error, 'Refused.')} ({error})")
    return result


def ask_password(prompt: str) -> str:
    """A password: twice without echo from a terminal, or the first line of stdin. Never an argument."""
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=True))
    line = sys.stdin.readline()
    password = line.rstrip("\r\n")
    if not password:
        fail("no password: stdin is empty. Type it at a terminal, or give it as the first line of stdin.")
    return password
