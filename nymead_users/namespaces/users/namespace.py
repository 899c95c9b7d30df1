"""The methods and notifications of the Users namespace."""

from __future__ import annotations

from functools import partial
from typing import cast

from nymead_users.events import EventBus
from nymead_users.identity.errors import NotPermitted, StoreError
from nymead_users.identity.events import UserAdded, UserChanged, UserRemoved
from nymead_users.identity.pushbutton import PushButton
from nymead_users.identity.users import Users
from nymead_users.namespaces.answers import written
from nymead_users.namespaces.outcomes import (
    BAD_NAME,
    BAD_PASSWORD,
    BAD_SCOPES,
    NOBODY,
    STORE_FAILED,
    UNKNOWN_USER,
    outcome,
    outcome_of,
)
from nymead_users.namespaces.signin import SignIn, push_button_auth_finished
from nymead_users.namespaces.types import (
    ErrorReturns,
    TokenListReturns,
    UserError,
    UserInfo,
    scopes_of,
    token_info,
    user_info,
)
from nymead_users.namespaces.users.types import (
    ChangePasswordParams,
    ChangeUserPasswordParams,
    CreateUserParams,
    GetUserInfoReturns,
    GetUsersReturns,
    RemoveTokenParams,
    SetUserInfoParams,
    SetUserScopesParams,
    UsernameParams,
    UserNotification,
    UserRemovedNotification,
)
from nymead_users.permissions import Scope, User
from nymead_users.rpc.caller import Caller, confirm
from nymead_users.rpc.errors import ServerBusy
from nymead_users.rpc.message import Encoded
from nymead_users.rpc.namespace import NoParams, Notification, Notify, method

#: The longest list of users, in bytes, that is kept for the next who asks: some thousand users. A home's has a few
#: kilobytes, and is read far more often than it changes.
MAX_KEPT_LIST = 4 * 1024 * 1024


class UsersNamespace(SignIn):
    """Users, their permissions and their tokens."""

    name = "Users"
    notifications = (
        Notification("Users.UserAdded", "A user was added.", UserNotification),
        Notification("Users.UserChanged", "A user's details or permissions changed.", UserNotification),
        Notification("Users.UserRemoved", "A user was removed.", UserRemovedNotification),
        push_button_auth_finished("Users"),
    )

    def __init__(
        self, users: Users, push_button: PushButton, events: EventBus, notify: Notify, *, self_service: bool
    ) -> None:
        super().__init__(users, push_button)
        self.self_service = self_service
        self._own_scope = Scope.NONE if self_service else Scope.ADMIN
        self._notify = notify
        #: The list of all users as JSON, and the generation of users of which it is true.
        self._list: tuple[int | None, bytes] = (None, b"")
        events.subscribe(UserAdded, self._user_added)
        events.subscribe(UserChanged, self._user_changed)
        events.subscribe(UserRemoved, self._user_removed)

    # Users

    @method(
        "CreateUser",
        errors=(ServerBusy,),
        outcomes={
            **BAD_NAME,
            **BAD_PASSWORD,
            **BAD_SCOPES,
            UserError.DUPLICATE_USER_ID: "The name is taken; upper and lower case make no difference.",
            **STORE_FAILED,
        },
    )
    async def create_user(self, caller: Caller, params: CreateUserParams) -> ErrorReturns:
        """Create a user. Without scopes the user is an administrator. A user without
        PermissionScopeAccessAllThings may access the things in allowedThingIds only.
        """
        return await outcome(
            self._users.create(
                params.username,
                params.password,
                display_name=params.displayName or "",
                email=params.email or "",
                scopes=scopes_of(params.scopes),
                allowed_thing_ids=tuple(params.allowedThingIds or ()),
                confirm=partial(confirm, caller, Scope.ADMIN),
            )
        )

    @method("GetUsers")
    async def get_users(self, caller: Caller, params: NoParams) -> GetUsersReturns:  # noqa: ARG002
        """List all users."""
        generation = self._users.generation
        listed, text = self._list
        if listed != generation:
            text = await written(self._users.pages(), user_info)
            if len(text) <= MAX_KEPT_LIST and generation == self._users.generation:
                self._list = generation, text
        return {"users": cast("list[UserInfo]", Encoded(text))}

    @method("SetUserScopes", outcomes={**BAD_SCOPES, **UNKNOWN_USER, **STORE_FAILED})
    async def set_user_scopes(self, caller: Caller, params: SetUserScopesParams) -> ErrorReturns:
        """Set what a user may do. Their live connections follow at once."""
        things = params.allowedThingIds
        return await outcome(
            self._users.set_scopes(
                params.username,
                scopes_of(params.scopes),
                None if things is None else tuple(things),
                confirm=partial(confirm, caller, Scope.ADMIN),
            )
        )

    @method(
        "ChangeUserPassword",
        errors=(ServerBusy,),
        outcomes={
            UserError.INVALID_USER_ID: "There is no user of that name, or it is the push button's user.",
            **BAD_PASSWORD,
            **STORE_FAILED,
        },
    )
    async def change_user_password(self, caller: Caller, params: ChangeUserPasswordParams) -> ErrorReturns:
        """Set a user's password. All their tokens are removed, so that every device has to log in again."""
        return await outcome(
            self._users.set_password(params.username, params.newPassword, confirm=partial(confirm, caller, Scope.ADMIN))
        )

    @method("RemoveUser", outcomes={**UNKNOWN_USER, **STORE_FAILED})
    async def remove_user(self, caller: Caller, params: UsernameParams) -> ErrorReturns:
        """Remove a user and all their tokens."""
        return await outcome(self._users.remove(params.username, confirm=partial(confirm, caller, Scope.ADMIN)))

    @method("GetUserTokens", outcomes=STORE_FAILED)
    async def get_user_tokens(self, caller: Caller, params: UsernameParams) -> TokenListReturns:  # noqa: ARG002
        """List a user's tokens; an unknown user has none."""
        return await self._tokens(params.username)

    # The caller's own account

    @method("GetUserInfo", scope=Scope.NONE, outcomes=NOBODY)
    async def get_user_info(self, caller: Caller, params: NoParams) -> GetUserInfoReturns:  # noqa: ARG002
        """Tell who the token of this connection stands for."""
        if caller.principal is None:
            return {"error": UserError.PERMISSION_DENIED}
        return {"error": UserError.NO_ERROR, "userInfo": user_info(caller.principal.user)}

    @method(
        "ChangePassword",
        own=True,
        errors=(ServerBusy,),
        outcomes={
            **BAD_PASSWORD,
            UserError.INVALID_USER_ID: "The caller logged in by push button and has no password.",
            **NOBODY,
            **STORE_FAILED,
        },
    )
    async def change_password(self, caller: Caller, params: ChangePasswordParams) -> ErrorReturns:
        """Change the caller's own password. Their tokens stay valid."""
        principal = caller.principal
        if principal is None:
            return {"error": UserError.PERMISSION_DENIED}
        return await outcome(
            self._users.set_password(
                principal.username,
                params.newPassword,
                keep_tokens=True,
                confirm=partial(confirm, caller, self._own_scope),
            )
        )

    @method("GetTokens", own=True, outcomes={**NOBODY, **STORE_FAILED})
    async def get_tokens(self, caller: Caller, params: NoParams) -> TokenListReturns:  # noqa: ARG002
        """List the caller's own tokens."""
        if caller.principal is None:
            return {"error": UserError.PERMISSION_DENIED}
        return await self._tokens(caller.principal.username)

    @method(
        "RemoveToken",
        own=True,
        outcomes={
            UserError.TOKEN_NOT_FOUND: "There is no token of that id.",
            UserError.PERMISSION_DENIED: "The token is somebody else's, and the caller is no administrator.",
            **STORE_FAILED,
        },
    )
    async def remove_token(self, caller: Caller, params: RemoveTokenParams) -> ErrorReturns:
        """Remove a token: connections that use it are cut off at once. An administrator may remove any,
        everybody else their own.
        """
        owner, scope = None, Scope.ADMIN
        if not caller.permits(Scope.ADMIN) and caller.principal is not None:
            owner, scope = caller.principal.username, self._own_scope
        return await outcome(
            self._users.remove_token(params.tokenId, owner=owner, confirm=partial(confirm, caller, scope))
        )

    @method(
        "SetUserInfo",
        own=True,
        outcomes={
            **UNKNOWN_USER,
            UserError.PERMISSION_DENIED: "The user is somebody else and the caller is no administrator, or no username"
            " was given and the connection has no token.",
            **STORE_FAILED,
        },
    )
    async def set_user_info(self, caller: Caller, params: SetUserInfoParams) -> ErrorReturns:
        """Change a user's display name and e-mail address, each where it is given. Without a username the
        caller's own; anybody else's needs an administrator.
        """
        own = None if caller.principal is None else caller.principal.username
        username = own if params.username is None else params.username.lower()
        if username is None or (username != own and not caller.permits(Scope.ADMIN)):
            return outcome_of(NotPermitted())
        return await outcome(
            self._users.set_info(
                username,
                display_name=params.displayName,
                email=params.email,
                confirm=partial(confirm, caller, self._own_scope if username == own else Scope.ADMIN),
            )
        )

    async def _tokens(self, username: str) -> TokenListReturns:
        try:
            tokens = await self._users.tokens(username)
        except StoreError as failure:
            return {"error": outcome_of(failure)["error"]}
        return {"error": UserError.NO_ERROR, "tokenInfoList": [token_info(token) for token in tokens]}

    # Administrators hear everything, everybody else what happens to themselves

    def _user_added(self, event: UserAdded) -> None:
        self._notify("Users.UserAdded", {"userInfo": user_info(event.user)}, audience=_administrator)

    def _user_changed(self, event: UserChanged) -> None:
        def may_know(user: User) -> bool:
            return _administrator(user) or user.username == event.user.username

        self._notify("Users.UserChanged", {"userInfo": user_info(event.user)}, audience=may_know)

    def _user_removed(self, event: UserRemoved) -> None:
        self._notify("Users.UserRemoved", {"username": event.username}, audience=_administrator)


def _administrator(user: User) -> bool:
    return user.scopes == Scope.ADMIN
