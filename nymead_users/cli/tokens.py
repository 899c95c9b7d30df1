"""The commands ``token list|revoke``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from nymead_users.cli.common import (
    OUTCOMES,
    ConfigFile,
    DataDir,
    Json,
    configuration,
    fail,
    group,
    operate,
    perform,
    print_json,
    print_table,
    shown,
    who,
)
from nymead_users.client import Client

token_app = group(
    """Tokens: who is logged in, on which devices.

    \b
    Examples:
      nymead-users token list
      nymead-users token revoke --help
    """
)


@token_app.command(name="list")
def list_tokens(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Whose tokens; everybody's where none is given.", show_default=False),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List tokens: id, user, creation and device.

    The tokens themselves are not listed: the server keeps nothing that could log in.

    \b
    Examples:
      nymead-users token list
      nymead-users token list alice --json
    """

    async def work(client: Client) -> list[dict[str, Any]]:
        names = [user["username"] for user in (await client.call("Users.GetUsers"))["users"]]
        if name is not None:
            if name.lower() not in names:
                fail(OUTCOMES["UserErrorInvalidUserId"].format(username=shown(name)))
            names = [name]
        tokens: list[dict[str, Any]] = []
        for username in names:
            tokens += (await perform(client, "Users.GetUserTokens", {"username": username}))["tokenInfoList"]
        return tokens

    tokens = operate(configuration(config, data_dir=data_dir).settings, work)
    if json:
        print_json(tokens)
    elif tokens:
        print_table(("ID", "USER", "CREATED", "DEVICE"), [_row(token) for token in tokens])
    else:
        typer.echo("No tokens: nobody is logged in.", err=True)


def _row(token: dict[str, Any]) -> tuple[str, ...]:
    created = datetime.fromtimestamp(token["creationTime"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return token["id"], who(token["username"]), created, token["deviceName"]


@token_app.command(name="revoke")
def revoke(
    token_id: Annotated[
        UUID, typer.Argument(metavar="ID", help="The token's id, as token list shows it.", show_default=False)
    ],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Revoke a token: the device that uses it is cut off at once.

    \b
    Example:
      nymead-users token revoke 6ba7b810-9dad-11d1-80b4-00c04fd430c8
    """

    async def work(client: Client) -> dict[str, Any]:
        return await perform(client, "Users.RemoveToken", {"tokenId": str(token_id)}, json=json)

    operate(configuration(config, data_dir=data_dir).settings, work)
    if json:
        print_json({"error": "UserErrorNoError"})
    else:
        typer.echo(f"Revoked {token_id}.")
