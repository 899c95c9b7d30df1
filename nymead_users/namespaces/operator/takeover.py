"""Users and tokens of another server, as the command line sends them: params and returns, to and from the domain."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from nymead_users.identity.takeover import Account, IssuedToken, Outcome, Report, Verdict
from nymead_users.identity.tokens import TokenInfo
from nymead_users.namespaces.types import PermissionScopes, Things, Uint, UserError, Uuid, scope_list, scopes_of
from nymead_users.permissions import User
from nymead_users.rpc.namespace import Params, wire_type


def _digest(text: str) -> str:
    try:
        if len(bytes.fromhex(text)) == 32:
            return text
    except ValueError:
        pass
    raise ValueError("Expected a SHA-256 digest in hex")


@wire_type
class ForeignUser(TypedDict):
    """A user of another server."""

    username: Annotated[str, Field(description="The name; empty for the push button's user.")]
    email: Annotated[str, Field(description="The e-mail address.")]
    displayName: Annotated[str, Field(description="The name to show to people.")]
    scopes: Annotated[PermissionScopes, Field(description="What the user may do.")]
    allowedThingIds: Annotated[Things, Field(description="The things the user may access.")]
    passwordHash: NotRequired[Annotated[str, Field(description="The password's hash, as the store keeps it.")]]


@wire_type
class ForeignToken(TypedDict):
    """A token of another server, by its digest."""

    id: Annotated[Uuid, Field(description="The token's id.")]
    username: Annotated[str, Field(description="Whose token it is.")]
    creationTime: Annotated[Uint, Field(description="When it was made, in seconds since the epoch, UTC.")]
    deviceName: Annotated[str, Field(description="The device that asked for it.")]
    digest: Annotated[str, AfterValidator(_digest), Field(description="SHA-256 over its value, in hex.")]


class ImportUsersParams(Params):
    """Params of ImportUsers."""

    users: list[ForeignUser] = Field(description="The users.")
    tokens: list[ForeignToken] = Field(description="The tokens.")
    dryRun: bool = Field(description="Whether to say what would become of them, and store nothing.")


@wire_type
class ImportVerdict(TypedDict):
    """What becomes of a user or a token."""

    outcome: Annotated[Outcome, Field(description="What becomes of it.")]
    reason: Annotated[str, Field(description="Why, of an error, or of a token that does not come back; else empty.")]


@wire_type
class ImportUsersReturns(TypedDict):
    """Returns of ImportUsers: one verdict for each user and token, in their order."""

    error: Annotated[UserError, Field(description="The outcome.")]
    changed: NotRequired[Annotated[bool, Field(description="Whether anything was stored.")]]
    users: NotRequired[Annotated[list[ImportVerdict], Field(description="What becomes of the users.")]]
    tokens: NotRequired[Annotated[list[ImportVerdict], Field(description="What becomes of the tokens.")]]


def foreign_user(account: Account) -> ForeignUser:
    """A user as it is sent."""
    user = account.user
    sent: ForeignUser = {
        "username": user.username,
        "email": user.email,
        "displayName": user.display_name,
        "scopes": scope_list(user.scopes),
        "allowedThingIds": list(user.allowed_thing_ids),
    }
    if account.password_hash is not None:
        sent["passwordHash"] = account.password_hash
    return sent


def foreign_token(token: IssuedToken) -> ForeignToken:
    """A token as it is sent."""
    return {
        "id": token.info.id,
        "username": token.info.username,
        "creationTime": token.info.creation_time,
        "deviceName": token.info.device_name,
        "digest": token.digest.hex(),
    }


def account(sent: ForeignUser) -> Account:
    """The user that was sent."""
    user = User(
        sent["username"],
        sent["email"],
        sent["displayName"],
        scopes_of(sent["scopes"]),
        tuple(sent["allowedThingIds"]),
    )
    return Account(user, sent.get("passwordHash"))


def issued_token(sent: ForeignToken) -> IssuedToken:
    """The token that was sent."""
    info = TokenInfo(sent["id"], sent["username"], sent["creationTime"], sent["deviceName"])
    return IssuedToken(info, bytes.fromhex(sent["digest"]))


def returns(report: Report) -> ImportUsersReturns:
    """A report as it is sent."""
    return {
        "error": UserError.NO_ERROR,
        "changed": report.changed,
        "users": list(map(_verdict, report.accounts)),
        "tokens": list(map(_verdict, report.tokens)),
    }


def _verdict(verdict: Verdict) -> ImportVerdict:
    return {"outcome": verdict.outcome, "reason": verdict.reason}
