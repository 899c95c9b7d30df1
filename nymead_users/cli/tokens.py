"""The commands ``token list|revoke``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from nymead_users.cli.common import ConfigFile, DataDir, Json, configuration, operate, perform, print_json
from nymead_users.client import Client

token_app = typer.Typer(no_args_is_help=True, help="Tokens: who is logged in, on which devices.")


@token_app.command(name="list")
def list_tokens(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Whose tokens.", show_default="everybody's")
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List tokens: id, user, creation and device. Their values are not known to the server.

    \b
    Examples:
      nymead-users token list
      nymead-users token list alice --json
    """

    async def work(client: Client) -> list[dict[str, Any]]:
        names = (
            [name]
            if name is not None
            else [user["username"] for user in (await client.call("Users.GetUsers"))["users"]]
        )
        tokens: list[dict[str, Any]] = []
        for username in names:
            tokens += (await perform(client, "Users.GetUserTokens", {"username": username}))["tokenInfoList"]
        return tokens

    tokens = operate(configuration(config, data_dir=data_dir).settings, work)
    if json:
        print_json(tokens)
        return
    for token in tokens:
        created = datetime.fromtimestamp(token["creationTime"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        typer.echo("\t".join([token["id"], token["username"] or '"" (push button)', created, token["deviceName"]]))


@token_app.command(name="revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, from token list.", show_default=False)],
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
        return await perform(client, "Users.RemoveToken", {"tokenId": token_id})

    operate(configuration(config, data_dir=data_dir).settings, work)
    if json:
        print_json({"error": "UserErrorNoError"})
    else:
        typer.echo(f"Revoked {token_id}.")
