"""The commands ``user add|list|passwd|scopes|remove``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer

from nymead_users.cli.common import (
    ConfigFile,
    DataDir,
    Json,
    ask_password,
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

user_app = group(
    """Users and what they may do.

    \b
    Examples:
      nymead-users user add alice
      nymead-users user list
      nymead-users user scopes --help
    """
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.", show_default=False)]
Things = Annotated[
    list[UUID] | None,
    typer.Option(
        "--thing",
        metavar="UUID",
        help="A thing the user may access without access-all-things. May be given several times.",
        show_default=False,
    ),
]


class ScopeName(StrEnum):
    """The permissions by short names."""

    none = "none"
    control_things = "control-things"
    configure_things = "configure-things"
    access_all_things = "access-all-things"
    execute_rules = "execute-rules"
    configure_rules = "configure-rules"
    admin = "admin"

    @property
    def wire(self) -> str:
        """The name in the API."""
        return "PermissionScope" + "".join(part.capitalize() for part in self.value.split("-"))


_FROM_WIRE = {scope.wire: scope.value for scope in ScopeName}

Scopes = Annotated[
    list[ScopeName] | None,
    typer.Option(
        "--scope",
        metavar="SCOPE",
        help="What the user may do; admin where none is given. May be given several times.",
        show_default=False,
    ),
]


@user_app.command(name="add")
def add(
    name: Name,
    scope: Scopes = None,
    thing: Things = None,
    display_name: Annotated[
        str | None, typer.Option("--display-name", metavar="TEXT", help="The name to show to people.")
    ] = None,
    email: Annotated[str | None, typer.Option("--email", metavar="TEXT", help="The e-mail address.")] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Add a user; an administrator unless scopes are given.

    The password is asked for, or read from stdin.

    \b
    Scopes: none, control-things, configure-things, access-all-things,
    execute-rules, configure-rules, admin.

    Everything but control-things alone needs access-all-things.

    \b
    Examples:
      nymead-users user add alice
      nymead-users user add bob --scope access-all-things --scope control-things
      nymead-users user add guest --scope control-things --thing UUID
      pass show home/alice | nymead-users user add alice
    """
    settings = configuration(config, data_dir=data_dir).settings
    params: dict[str, Any] = {"username": name, "password": ask_password("Password")}
    if scope:
        params["scopes"] = [item.wire for item in scope]
    if thing:
        params["allowedThingIds"] = [str(item) for item in thing]
    if display_name is not None:
        params["displayName"] = display_name
    if email is not None:
        params["email"] = email

    async def work(client: Client) -> dict[str, Any]:
        return await perform(client, "Users.CreateUser", params, json=json)

    operate(settings, work, create=True)
    _done(f"Added {name.lower()}.", json=json)


@user_app.command(name="list")
def list_users(config: ConfigFile = None, data_dir: DataDir = None, json: Json = False) -> None:
    """List all users and what they may do.

    \b
    Examples:
      nymead-users user list
      nymead-users user list --json | jq -r '.[].username'
    """

    async def work(client: Client) -> dict[str, Any]:
        return await client.call("Users.GetUsers")

    users = operate(configuration(config, data_dir=data_dir).settings, work)["users"]
    if json:
        print_json(users)
    elif users:
        print_table(("NAME", "MAY", "DISPLAY NAME", "E-MAIL"), [_row(user) for user in users])
    else:
        typer.echo("No users yet. Make the first administrator: nymead-users user add NAME", err=True)


def _row(user: dict[str, Any]) -> tuple[str, ...]:
    return (who(user["username"]), may(user), *(user[key] for key in ("displayName", "email")))


def may(user: Mapping[str, Any]) -> str:
    """What a user of the API may do, in the command line's words."""
    scopes = [_FROM_WIRE[name] for name in user["scopes"]]
    text = "admin" if "admin" in scopes else ", ".join(scopes) or "nothing"
    things = len(user["allowedThingIds"])
    if things and "access-all-things" not in scopes:
        text += f" ({things} thing{'s' if things > 1 else ''})"
    return text


@user_app.command(name="passwd")
def passwd(name: Name, config: ConfigFile = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Set a user's password. All their devices are logged out.

    The password is asked for, or read from stdin.

    \b
    Examples:
      nymead-users user passwd alice
      pass show home/alice | nymead-users user passwd alice
    """
    settings = configuration(config, data_dir=data_dir).settings
    if not name:
        fail("the push button's user has no password")
    params = {"username": name, "newPassword": ask_password("New password")}

    async def work(client: Client) -> dict[str, Any]:
        return await perform(client, "Users.ChangeUserPassword", params, json=json)

    operate(settings, work)
    _done(f"Changed the password of {name.lower()} and logged all their devices out.", json=json)


@user_app.command(name="scopes")
def scopes(
    name: Name,
    scope: Annotated[
        list[ScopeName],
        typer.Argument(
            metavar="SCOPE", help="What the user may do from now on.", show_default=False, show_choices=False
        ),
    ],
    thing: Things = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Set what a user may do. Their live connections follow at once.

    \b
    Scopes: none, control-things, configure-things, access-all-things,
    execute-rules, configure-rules, admin.

    Everything but control-things alone needs access-all-things. Without --thing the list of allowed things
    stays as it is.

    \b
    Examples:
      nymead-users user scopes alice admin
      nymead-users user scopes bob control-things access-all-things
      nymead-users user scopes guest control-things --thing UUID
    """
    params: dict[str, Any] = {"username": name, "scopes": [item.wire for item in scope]}
    if thing:
        params["allowedThingIds"] = [str(item) for item in thing]

    async def work(client: Client) -> dict[str, Any]:
        return await perform(client, "Users.SetUserScopes", params, json=json)

    operate(configuration(config, data_dir=data_dir).settings, work)
    _done(f"Changed what {shown(name.lower())} may do.", json=json)


@user_app.command(name="remove")
def remove(name: Name, config: ConfigFile = None, data_dir: DataDir = None, json: Json = False) -> None:
    """Remove a user and all their tokens. This can't be undone.

    The push button's user has the empty name.

    \b
    Examples:
      nymead-users user remove alice
      nymead-users user remove ""
    """

    async def work(client: Client) -> dict[str, Any]:
        return await perform(client, "Users.RemoveUser", {"username": name}, json=json)

    operate(configuration(config, data_dir=data_dir).settings, work)
    _done(f"Removed {shown(name.lower())}.", json=json)


def _done(message: str, *, json: bool) -> None:
    if json:
        print_json({"error": "UserErrorNoError"})
    else:
        typer.echo(message)
