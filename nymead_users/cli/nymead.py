"""The command ``import-nymead``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from nymead_users.cli.common import (
    ConfigFile,
    DataDir,
    Json,
    configuration,
    fail,
    operate,
    perform,
    print_json,
    print_table,
    shown,
    trying,
    who,
)
from nymead_users.cli.users import may
from nymead_users.client import Client

if TYPE_CHECKING:
    from nymead_users.identity.nymead import Content, Unread

nymead_app = typer.Typer()

#: Bytes of the call beside its params, with room to spare.
ENVELOPE = 256


@nymead_app.command(name="import-nymead")
def import_nymead(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="nymead's user database.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Take over users and tokens from nymead, nymea's own server.

    Passwords stay as they are, and devices stay logged in: their tokens come along. The database is only
    read, and nymead may run meanwhile.

    All is taken over or nothing: what stands in the way is told row by row. Users who are here already are
    not changed, so that a second run does nothing.

    \b
    Examples:
      nymead-users import-nymead /var/lib/nymea/user-db.sqlite --dry-run
      nymead-users import-nymead /var/lib/nymea/user-db.sqlite
    """
    # Slow to import, and needed by no command but this one.
    from nymead_users.identity.nymead import NotReadable, read  # noqa: PLC0415
    from nymead_users.namespaces.operator.takeover import foreign_token, foreign_user  # noqa: PLC0415

    settings = configuration(config, data_dir=data_dir).settings
    try:
        content = read(path)
    except NotReadable as error:
        fail(shown(error))
    params: dict[str, Any] = {
        "users": [foreign_user(account) for account in content.accounts],
        "tokens": [foreign_token(token) for token in content.tokens],
        # With rows that can't be read nothing is stored; what else stands in the way is told all the same.
        "dryRun": dry_run or bool(content.unread_users or content.unread_tokens),
    }
    size = len(orjson.dumps(params)) + ENVELOPE
    if size > settings.limits.message_size:
        fail(
            f"what is in {shown(path)} takes {size:,} bytes, more than limits.message_size lets through. Set that to as"
            " much for this command and for the server, if it runs."
        )

    async def work(client: Client) -> dict[str, Any]:
        return await perform(client, "Operator.ImportUsers", params, json=json)

    with trying(settings, dry_run=params["dryRun"]) as used:
        result = operate(used, work, create=True)
    report = _report(content, result)
    if json:
        print_json(report)
    _fail_for_errors(path, report)
    if not json:
        _tell(params["users"], report, dry_run=dry_run)


def _report(content: Content, result: dict[str, Any]) -> dict[str, Any]:
    """What becomes of each row: what the server says, and of those that it could not be sent, why."""

    def unread(row: Unread) -> dict[str, Any]:
        return {"username": row.username, "outcome": "error", "reason": row.reason}

    sent_users = zip(content.accounts, result["users"], strict=True)
    sent_tokens = zip(content.tokens, result["tokens"], strict=True)
    return {
        "changed": result["changed"],
        "users": [
            *({"username": account.user.username, **verdict} for account, verdict in sent_users),
            *map(unread, content.unread_users),
        ],
        "tokens": [
            *({"id": str(token.info.id), "username": token.info.username, **verdict} for token, verdict in sent_tokens),
            *({"id": row.id, **unread(row)} for row in content.unread_tokens),
        ],
    }


def _fail_for_errors(path: Path, report: dict[str, Any]) -> None:
    """Say what stands in the way, if anything does, and exit."""
    users = {row["username"]: row["reason"] for row in report["users"] if row["outcome"] == "error"}
    errors = [f"user {who(name)}: {shown(reason)}" for name, reason in users.items()]
    # Where it is the user that stands in the way, nothing is said of the tokens.
    errors += [
        f"token {shown(row['id'])} of {who(row['username'])}: {shown(row['reason'])}"
        for row in report["tokens"]
        if row["outcome"] == "error" and row["username"] not in users
    ]
    if errors:
        fail("\n  ".join([f"nothing is taken over from {shown(path)}:", *errors]))


def _tell(users: list[dict[str, Any]], report: dict[str, Any], *, dry_run: bool) -> None:
    tokens = Counter(row["username"] for row in report["tokens"] if row["outcome"] == "added")
    rows = [
        (who(user["username"]), may(user), f"{tokens[user['username']]:,}", row["outcome"])
        for user, row in zip(users, report["users"], strict=True)
    ]
    print_table(("NAME", "MAY", "TOKENS", "OUTCOME"), rows)
    for user in report["users"]:
        if user["reason"]:
            typer.echo(f"Not taken over: user {who(user['username'])}, {user['reason']}.")
    for row in report["tokens"]:
        if row["reason"]:
            typer.echo(f"Not taken over: token {row['id']} of {who(row['username'])}, {row['reason']}.")
    added = sum(row["outcome"] == "added" for row in report["users"])
    counted = f"{_counted(added, 'user')} and {_counted(tokens.total(), 'token')}"
    typer.echo(f"Would take over {counted}. Nothing was changed." if dry_run else f"Took over {counted}.")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
