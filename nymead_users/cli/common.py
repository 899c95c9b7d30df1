"""What the commands share: options, output, errors, and the way to the server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from inspect import cleandoc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer

from nymead_users.client import CallError, Client, ClientError, ConnectionFailed
from nymead_users.client.client import TIMEOUT
from nymead_users.config import ConfigError, Configuration, Settings, load
from nymead_users.storage.datadir import (
    CONTROL_SOCKET,
    STORE,
    DataDirectoryError,
    DataDirectoryInUseError,
    no_store,
    one_command,
)
from nymead_users.storage.errors import StoreUnusable
from nymead_users.transport.listener import ListenError

T = TypeVar("T")

#: Seconds for a server to finish its start or stop, until a command can reach it or do without it.
PATIENCE = 10.0

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings as TOML. Also: NYMEAD_USERS_CONFIG.", show_default=False),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Where the store, the control socket and the certificate are. Without it: nymead-users in the user's"
        " state directory.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Answer as one line of JSON, for scripts.")]

#: What the API's outcomes mean for a person at the command line; the braces are the call's own params.
OUTCOMES = {
    "UserErrorBackendError": "the store could not be written; nothing was changed. The server's log says why.",
    "UserErrorInvalidUserId": "there is no user {username}. nymead-users user list shows all.",
    "UserErrorDuplicateUserId": "the name {username} is taken.",
    "UserErrorBadPassword": "the password is too weak: it needs at least 8 characters, among them a lower-case"
    " letter, an upper-case letter and a digit, and at most 1,024 bytes.",
    "UserErrorTokenNotFound": "there is no token {tokenId}. nymead-users token list shows all.",
    "UserErrorPermissionDenied": "this is not permitted.",
    "UserErrorInconsistantScopes": "these scopes contradict one another: everything but control-things alone needs"
    " access-all-things, and configure-rules needs execute-rules.",
}
INVALID_NAME = "{username} can't be a user's name: that has 3 to 254 characters of A-Z a-z 0-9 _ . + @ -"


def group(about: str) -> typer.Typer:
    """A group of commands. Its help is plain text: boxes would break the examples' lines."""
    return typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help=cleandoc(about),
    )


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


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows in columns under a head; nothing is cut off."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        typer.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def operate(
    settings: Settings, work: Callable[[Client], Awaitable[T]], *, create: bool = False, timeout: float = TIMEOUT
) -> T:
    """Do something as the machine's operator.

    Through the running server's control socket, so that live sessions notice; where no server runs,
    through one that is up for the moment, on that socket alone. ``create``: also where there is no store yet.
    ``timeout``: seconds for each reply.
    """
    try:
        with one_command(settings.data_dir, create=create):
            return asyncio.run(_operate(settings, work, create=create, timeout=timeout))
    except CallError as error:
        fail(error.message)
    except (ClientError, DataDirectoryError, StoreUnusable, ListenError) as error:
        fail(str(error))
    except TimeoutError:
        fail("the server did not answer in time; see its log")
    except UnicodeEncodeError:
        fail("what you typed is not UTF-8 text")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@contextmanager
def trying(settings: Settings, *, dry_run: bool) -> Iterator[Settings]:
    """The settings for a command that may only try: trying makes no store, an empty one elsewhere says the same."""
    with TemporaryDirectory() as nowhere:
        elsewhere = dry_run and not (settings.data_dir / STORE).exists()
        yield settings.model_copy(update={"data_dir": Path(nowhere)}) if elsewhere else settings


async def _operate(settings: Settings, work: Callable[[Client], Awaitable[T]], *, create: bool, timeout: float) -> T:
    async with _control(settings, create=create, timeout=timeout) as client:
        await client.hello()
        return await work(client)


@asynccontextmanager
async def _control(settings: Settings, *, create: bool, timeout: float) -> AsyncIterator[Client]:
    """A connection to the control socket of the server, or of one that lives as long as the block."""
    url = f"unix://{(settings.data_dir / CONTROL_SOCKET).absolute()}"
    give_up = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            client = await Client.connect(url, timeout=timeout)
        except ConnectionFailed:
            pass
        else:
            async with client:
                yield client
            return
        if not create and not (settings.data_dir / STORE).exists():
            raise no_store(settings.data_dir)
        # Slow to import, and not needed where a server runs.
        from nymead_users.app import running  # noqa: PLC0415

        try:
            async with running(settings, offline=True), await Client.connect(url, timeout=timeout) as client:
                yield client
        except DataDirectoryInUseError as error:
            if asyncio.get_running_loop().time() > give_up:
                raise DataDirectoryError(
                    f"a server holds {settings.data_dir}, but does not answer at its control socket"
                    f" {CONTROL_SOCKET}. Restart it, or see its log."
                ) from error
            await asyncio.sleep(0.1)  # it is starting or stopping
        else:
            return


async def perform(client: Client, method: str, params: dict[str, Any], *, json: bool = False) -> dict[str, Any]:
    """Call a method of the Users namespace; says so and exits where its outcome is an error.

    ``json``: the outcome goes to stdout then, as well as the text to stderr.
    """
    result = await client.call(method, params)
    error = result.get("error", "UserErrorNoError")
    if error != "UserErrorNoError":
        if json:
            print_json({"error": error})
        invalid_name = method == "Users.CreateUser" and error == "UserErrorInvalidUserId"
        text = INVALID_NAME if invalid_name else OUTCOMES.get(error, f"the server refused: {error}")
        fail(text.format_map({key: shown(value) for key, value in params.items()}))
    return result


def shown(value: Any) -> str:
    """A text from elsewhere, safe to print: control characters would be obeyed by the terminal."""
    text = str(value)
    return text if text.isprintable() and text else repr(text)


def who(username: str) -> str:
    """A username as it is listed; the empty one is the push button's."""
    return shown(username) if username else '"" (push button)'


def ask_password(prompt: str) -> str:
    """A password: twice without echo from a terminal, or the first line of stdin. Never an argument."""
    if sys.stdin is None:
        fail("no password: stdin is closed. Type it at a terminal, or give it as the first line of stdin.")
    try:
        if sys.stdin.isatty():
            return str(typer.prompt(prompt, hide_input=True, confirmation_prompt="Once more", err=True))
        line = sys.stdin.readline()
        line.encode()
    except UnicodeError:
        fail("the password is not UTF-8 text")
    password = line.rstrip("\r\n")
    if not password:
        fail("no password: stdin is empty. Type it at a terminal, or give it as the first line of stdin.")
    return password
