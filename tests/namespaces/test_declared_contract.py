"""The contract as the server declares it: JSONRPC.Introspect in nymea's notation, rpc.discover as OpenRPC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import PASSWORD, Dialect, Server, StartServer, Transport

ERROR = {"error": "$ref:UserError"}
TOKENS = {**ERROR, "o:tokenInfoList": "$ref:TokenInfoList"}
LOGIN = (
    {"username": "String", "password": "String", "deviceName": "String"},
    {"success": "Bool", "o:token": "String", "o:username": "String", "o:scopes": "$ref:PermissionScopes"},
)
BUTTON = ({"deviceName": "String"}, {"success": "Bool", "transactionId": "Int"})
ACCESS_ERROR = {"error": "$ref:AccessError", "o:errorMessage": "String"}
LOCK_GROUP_ERROR = {"error": "$ref:LockGroupError", "o:errorMessage": "String"}
AUTH_ERROR = {"error": "$ref:SmartlockAuthError", "o:errorMessage": "String"}
LOCK_ROLE_ERROR = {"error": "$ref:LockRoleError", "o:errorMessage": "String"}
ACCESS_KEY_ERROR = {"error": "$ref:AccessKeyError", "o:errorMessage": "String"}
REQUESTED = {**AUTH_ERROR, "o:requestId": "Uuid"}
ONE_AUTH = {"smartlockId": "Uuid", "id": "Uuid"}
NAMED = {"name": "String", "remoteAllowed": "Bool"}
ALLOWED = {
    "o:allowedFromDate": "String",
    "o:allowedUntilDate": "String",
    "o:allowedWeekDays": "Int",
    "o:allowedFromTime": "Int",
    "o:allowedUntilTime": "Int",
}
NEW_AUTH = {"o:accountUserId": "Uint", "o:smartActionsEnabled": "Bool", "o:type": "Int", "o:code": "String"}
UPDATED_AUTH = {
    "o:name": "String",
    **ALLOWED,
    "o:accountUserId": "Uint",
    "o:enabled": "Bool",
    "o:remoteAllowed": "Bool",
    "o:code": "String",
}
ATTEMPT = {
    "lockId": "Uuid",
    "o:personId": "Uuid",
    "o:credential": "$ref:ShownCredential",
    "o:time": "String",
    "o:remote": "Bool",
    "o:pin": "String",
}

#: Each method's params, in the order of positional ones, and returns.
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Access.AddCredential": (
        {
            "type": "$ref:CredentialType",
            "value": "String",
            "o:personId": "Uuid",
            "o:ownerId": "Uuid",
            "o:pin": "String",
            "o:enabled": "Bool",
        },
        {**ACCESS_ERROR, "o:credential": "$ref:CredentialInfo"},
    ),
    "Access.AddGrant": (
        {
            "o:personId": "Uuid",
            "o:credentialId": "Uuid",
            "o:lockId": "Uuid",
            "o:lockGroupId": "Uuid",
            "o:validFrom": "String",
            "o:validBefore": "String",
            "o:schedule": "$ref:Schedule",
            "o:enabled": "Bool",
            "o:remoteAllowed": "Bool",
            "o:name": "String",
        },
        {**ACCESS_ERROR, "o:grant": "$ref:GrantInfo"},
    ),
    "Access.AddLock": (
        {
            "title": "String",
            "o:lockId": "Uuid",
            "o:ownerId": "Uuid",
            "o:description": "String",
            "o:timeZone": "String",
            "o:systemId": "String",
            "o:protocolVersion": "Uint",
            "o:virtual": "Bool",
            "o:bridge": "String",
        },
        {**ACCESS_ERROR, "o:lock": "$ref:LockInfo"},
    ),
    "Access.AddOwner": ({"title": "String"}, {**ACCESS_ERROR, "o:owner": "$ref:OwnerInfo"}),
    "Access.AddPerson": (
        {
            "o:ownerId": "Uuid",
            "o:firstName": "String",
            "o:lastName": "String",
            "o:email": "String",
            "o:phone": "String",
            "o:username": "String",
            "o:enabled": "Bool",
        },
        {**ACCESS_ERROR, "o:person": "$ref:PersonInfo"},
    ),
    "Access.ConfirmSync": ({"lockId": "Uuid", "items": ["$ref:SyncConfirmation"]}, ACCESS_ERROR),
    "Access.Evaluate": (ATTEMPT, {**ACCESS_ERROR, "o:decision": "$ref:AccessDecision"}),
    "Access.GetAccessOf": ({"personId": "Uuid", "o:time": "String"}, {**ACCESS_ERROR, "o:locks": ["$ref:ReachInfo"]}),
    "Access.GetCredentials": (
        {"o:ownerId": "Uuid", "o:personId": "Uuid"},
        {**ACCESS_ERROR, "o:credentials": ["$ref:CredentialInfo"]},
    ),
    "Access.GetEvents": (
        {
            "o:fromDate": "String",
            "o:toDate": "String",
            "o:lockId": "Uuid",
            "o:personId": "Uuid",
            "o:includeAccessGranted": "Bool",
            "o:includeAccessDenied": "Bool",
            "o:limit": "Int",
            "o:continuationKey": "String",
        },
        {**ACCESS_ERROR, "o:events": ["$ref:AccessEvent"], "o:continuationKey": "String"},
    ),
    "Access.GetGrants": (
        {"o:personId": "Uuid", "o:lockId": "Uuid", "o:lockGroupId": "Uuid", "o:state": "$ref:GrantState"},
        {**ACCESS_ERROR, "o:grants": ["$ref:GrantInfo"]},
    ),
    "Access.GetLocks": ({"o:ownerId": "Uuid"}, {**ACCESS_ERROR, "o:locks": ["$ref:LockInfo"]}),
    "Access.GetOwners": ({}, {**ACCESS_ERROR, "o:owners": ["$ref:OwnerInfo"]}),
    "Access.GetPendingSync": ({"lockId": "Uuid"}, {**ACCESS_ERROR, "o:items": ["$ref:SyncItemInfo"]}),
    "Access.GetPersons": ({"o:ownerId": "Uuid"}, {**ACCESS_ERROR, "o:persons": ["$ref:PersonInfo"]}),
    "Access.GetWhoHasAccess": (
        {"lockId": "Uuid", "o:time": "String"},
        {**ACCESS_ERROR, "o:persons": ["$ref:HolderInfo"]},
    ),
    "Access.RemoveCredential": ({"credentialId": "Uuid"}, ACCESS_ERROR),
    "Access.RemoveLock": ({"lockId": "Uuid"}, ACCESS_ERROR),
    "Access.RemovePerson": ({"personId": "Uuid"}, ACCESS_ERROR),
    "Access.ReportAccess": (
        ATTEMPT,
        {**ACCESS_ERROR, "o:decision": "$ref:AccessDecision", "o:event": "$ref:AccessEvent"},
    ),
    "Access.RevokeGrant": ({"grantId": "Uuid"}, {**ACCESS_ERROR, "o:grant": "$ref:GrantInfo"}),
    "Access.SyncLock": ({"lockId": "Uuid"}, ACCESS_ERROR),
    "Access.UpdateCredential": (
        {"credentialId": "Uuid", "o:enabled": "Bool", "o:pin": "String"},
        {**ACCESS_ERROR, "o:credential": "$ref:CredentialInfo"},
    ),
    "Access.UpdateGrant": (
        {
            "grantId": "Uuid",
            "o:validFrom": "String",
            "o:validBefore": "String",
            "o:schedule": "$ref:Schedule",
            "o:enabled": "Bool",
            "o:remoteAllowed": "Bool",
            "o:name": "String",
        },
        {**ACCESS_ERROR, "o:grant": "$ref:GrantInfo"},
    ),
    "Access.UpdateLock": (
        {
            "lockId": "Uuid",
            "o:title": "String",
            "o:description": "String",
            "o:timeZone": "String",
            "o:systemId": "String",
            "o:protocolVersion": "Uint",
            "o:virtual": "Bool",
            "o:bridge": "String",
        },
        {**ACCESS_ERROR, "o:lock": "$ref:LockInfo"},
    ),
    "Access.UpdatePerson": (
        {
            "personId": "Uuid",
            "o:firstName": "String",
            "o:lastName": "String",
            "o:email": "String",
            "o:phone": "String",
            "o:username": "String",
            "o:enabled": "Bool",
        },
        {**ACCESS_ERROR, "o:person": "$ref:PersonInfo"},
    ),
    "JSONRPC.Authenticate": LOGIN,
    "JSONRPC.CreateUser": (
        {"username": "String", "password": "String", "o:displayName": "String", "o:email": "String"},
        ERROR,
    ),
    "JSONRPC.Introspect": (
        {},
        {"methods": "Object", "notifications": "Object", "types": "Object", "enums": "Object", "flags": "Object"},
    ),
    "JSONRPC.KeepAlive": ({"sessionId": "String"}, {"success": "Bool", "sessionId": "String"}),
    "JSONRPC.RequestPushButtonAuth": BUTTON,
    "JSONRPC.SetNotificationStatus": (
        {"o:namespaces": ["String"], "d:o:enabled": "Bool"},
        {"namespaces": ["String"], "d:enabled": "Bool"},
    ),
    "JSONRPC.Version": (
        {},
        {"version": "String", "protocol version": "String", "qtVersion": "String", "qtBuildVersion": "String"},
    ),
    "AccessKeys.AddAccessKey": (
        {
            "o:id": "Uuid",
            "o:key": "$ref:KeyIdentification",
            "o:pin": "String",
            "o:validFromDate": "String",
            "o:validToDate": "String",
            "o:accessLevels": ["Uuid"],
            "o:person": "$ref:NewKeyHolder",
            "o:ownerId": "Uuid",
        },
        {**ACCESS_KEY_ERROR, "o:accessKey": "$ref:AccessKeyInfo"},
    ),
    "AccessKeys.GetAccessKeyStatus": (
        {"id": "Uuid"},
        {**ACCESS_KEY_ERROR, "o:status": "$ref:AccessKeyStatus", "o:systems": ["$ref:SystemStatusInfo"]},
    ),
    "AccessKeys.GetAccessKeys": ({"o:ownerId": "Uuid"}, {**ACCESS_KEY_ERROR, "o:accessKeys": ["$ref:AccessKeyInfo"]}),
    "AccessKeys.GetAccessLevels": (
        {"o:ownerId": "Uuid"},
        {**ACCESS_KEY_ERROR, "o:accessLevels": ["$ref:AccessLevel"]},
    ),
    "AccessKeys.RemoveAccessKey": (
        {"o:id": "Uuid", "o:key": "$ref:KeyIdentification", "o:ownerId": "Uuid"},
        ACCESS_KEY_ERROR,
    ),
    "LockGroups.AddMembership": (
        {"ownerAccountId": "Uuid", "lockGroupId": "Uuid", "boundLockId": "Uuid"},
        {**LOCK_GROUP_ERROR, "o:membership": "$ref:LockGroupMembership"},
    ),
    "LockGroups.CreateLockGroup": (
        {"ownerAccountId": "Uuid", "o:title": "String", "o:description": "String"},
        {**LOCK_GROUP_ERROR, "o:lockGroup": "$ref:LockTarget"},
    ),
    "LockGroups.GetLockGroup": (
        {"ownerAccountId": "Uuid", "id": "Uuid", "o:expand": "String"},
        {**LOCK_GROUP_ERROR, "o:lockGroup": "$ref:LockTarget"},
    ),
    "LockGroups.GetLockGroupGrants": (
        {
            "ownerAccountId": "Uuid",
            "id": "Uuid",
            "o:filter": "String",
            "o:orderBy": "String",
            "o:top": "Int",
            "o:skip": "Int",
        },
        {**LOCK_GROUP_ERROR, "o:grants": ["$ref:LockGroupGrant"]},
    ),
    "LockGroups.GetLockGroups": (
        {
            "ownerAccountId": "Uuid",
            "o:expand": "String",
            "o:filter": "String",
            "o:orderBy": "String",
            "o:top": "Int",
            "o:skip": "Int",
        },
        {**LOCK_GROUP_ERROR, "o:lockGroups": ["$ref:LockTarget"]},
    ),
    "LockGroups.GetMemberships": (
        {
            "ownerAccountId": "Uuid",
            "lockGroupId": "Uuid",
            "o:expand": "String",
            "o:includeUnboundLocks": "Bool",
            "o:filter": "String",
            "o:orderBy": "String",
            "o:top": "Int",
            "o:skip": "Int",
        },
        {**LOCK_GROUP_ERROR, "o:memberships": ["$ref:LockGroupMembership"]},
    ),
    "LockGroups.RemoveLockGroup": (
        {"ownerAccountId": "Uuid", "id": "Uuid", "o:forceRevokeGrants": "Bool", "o:forceUnjoinLocks": "Bool"},
        LOCK_GROUP_ERROR,
    ),
    "LockGroups.RemoveMembership": ({"ownerAccountId": "Uuid", "lockGroupId": "Uuid", "id": "Uuid"}, LOCK_GROUP_ERROR),
    "LockGroups.UpdateLockGroup": (
        {"ownerAccountId": "Uuid", "id": "Uuid", "o:title": "String", "o:description": "String"},
        {**LOCK_GROUP_ERROR, "o:lockGroup": "$ref:LockTarget"},
    ),
    "LockRoles.GetLockRoles": (
        {"lockHolderId": "Uuid", "lockId": "Uuid", "o:limit": "Int", "o:startAfterId": "Uuid"},
        {**LOCK_ROLE_ERROR, "o:roles": ["$ref:LockRole"]},
    ),
    "LockRoles.GetRoles": (
        {"lockHolderId": "Uuid", "o:limit": "Int", "o:startAfterId": "Uuid"},
        {**LOCK_ROLE_ERROR, "o:roles": ["$ref:LockRole"]},
    ),
    "LockRoles.GetSharedKeys": (
        {"lockId": "Uuid", "userId": "String"},
        {**LOCK_ROLE_ERROR, "o:keys": ["$ref:SharedKey"]},
    ),
    "LockRoles.RemoveRole": ({"lockHolderId": "Uuid", "lockId": "Uuid", "userId": "String"}, LOCK_ROLE_ERROR),
    "LockRoles.RevokeSharedKeys": (
        {"lockId": "Uuid", "userId": "String", "o:toUserId": "String", "o:ids": ["Uuid"]},
        {**LOCK_ROLE_ERROR, "o:keys": ["$ref:SharedKey"]},
    ),
    "LockRoles.SetRole": (
        {"lockHolderId": "Uuid", "lockId": "Uuid", "userId": "String", "canShare": "Bool", "o:userName": "String"},
        {**LOCK_ROLE_ERROR, "o:role": "$ref:LockRole"},
    ),
    "LockRoles.ShareKey": (
        {
            "lockId": "Uuid",
            "userId": "String",
            "toUserId": "String",
            "o:start": "String",
            "o:end": "String",
            "o:recurrence": "$ref:KeyRecurrence",
            "o:name": "String",
        },
        {**LOCK_ROLE_ERROR, "o:key": "$ref:SharedKey"},
    ),
    "SmartlockAuths.CreateAuth": ({"smartlockId": "Uuid", **NAMED, **ALLOWED, **NEW_AUTH}, REQUESTED),
    "SmartlockAuths.CreateAuths": (
        {"name": "String", "smartlockIds": ["Uuid"], "remoteAllowed": "Bool", **ALLOWED, **NEW_AUTH},
        REQUESTED,
    ),
    "SmartlockAuths.GenerateSharedKey": (
        {"smartlockId": "Uuid", "name": "String", "accountUserId": "Uint", **ALLOWED},
        {**AUTH_ERROR, "o:auths": ["$ref:SmartlockAuth"]},
    ),
    "SmartlockAuths.GetAuth": (ONE_AUTH, {**AUTH_ERROR, "o:auth": "$ref:SmartlockAuth"}),
    "SmartlockAuths.GetAuths": (
        {"o:accountUserId": "Int", "o:types": "String"},
        {**AUTH_ERROR, "o:auths": ["$ref:SmartlockAuth"]},
    ),
    "SmartlockAuths.GetAuthsPaged": (
        {"o:accountUserId": "Int", "o:types": "String", "o:page": "Uint", "o:size": "Int"},
        {**AUTH_ERROR, "o:results": ["$ref:SmartlockAuth"], "o:pagination": "$ref:Pagination"},
    ),
    "SmartlockAuths.GetSmartlockAuths": (
        {"smartlockId": "Uuid", "o:types": "String"},
        {**AUTH_ERROR, "o:auths": ["$ref:SmartlockAuth"]},
    ),
    "SmartlockAuths.RemoveAuth": (ONE_AUTH, REQUESTED),
    "SmartlockAuths.RemoveAuths": ({"ids": ["Uuid"]}, REQUESTED),
    "SmartlockAuths.UpdateAuth": ({**ONE_AUTH, **UPDATED_AUTH}, REQUESTED),
    "SmartlockAuths.UpdateAuths": ({"auths": ["$ref:AuthUpdate"]}, REQUESTED),
    "Users.Authenticate": LOGIN,
    "Users.ChangePassword": ({"newPassword": "String"}, ERROR),
    "Users.ChangeUserPassword": ({"username": "String", "newPassword": "String"}, ERROR),
    "Users.CreateUser": (
        {
            "username": "String",
            "password": "String",
            "o:displayName": "String",
            "o:email": "String",
            "o:scopes": "$ref:PermissionScopes",
            "o:allowedThingIds": ["Uuid"],
        },
        ERROR,
    ),
    "Users.GetTokens": ({}, TOKENS),
    "Users.GetUserInfo": ({}, {**ERROR, "o:userInfo": "$ref:UserInfo"}),
    "Users.GetUserTokens": ({"username": "String"}, TOKENS),
    "Users.GetUsers": ({}, {"users": "$ref:UserInfoList"}),
    "Users.RemoveToken": ({"tokenId": "Uuid"}, ERROR),
    "Users.RemoveUser": ({"username": "String"}, ERROR),
    "Users.RequestPushButtonAuth": BUTTON,
    "Users.SetUserInfo": ({"o:username": "String", "o:displayName": "String", "o:email": "String"}, ERROR),
    "Users.SetUserScopes": (
        {"username": "String", "scopes": "$ref:PermissionScopes", "o:allowedThingIds": ["Uuid"]},
        ERROR,
    ),
}

#: The keys of Hello, whose types depend on how they are written.
HELLO = (
    ["o:locale", "o:token"],
    [
        "server",
        "name",
        "version",
        "uuid",
        "language",
        "locale",
        "protocol version",
        "initialSetupRequired",
        "authenticationRequired",
        "pushButtonAuthAvailable",
        "o:experiences",
        "o:cacheHashes",
        "o:authenticated",
        "o:permissionScopes",
        "o:username",
    ],
)

FINISHED = {"success": "Bool", "transactionId": "Int", "o:token": "String"}

NOTIFICATIONS: dict[str, dict[str, Any]] = {
    "Access.AccessDecided": {"event": "$ref:AccessEvent"},
    "Access.CredentialAdded": {"credential": "$ref:CredentialInfo"},
    "Access.CredentialChanged": {"credential": "$ref:CredentialInfo"},
    "Access.CredentialRemoved": {"credentialId": "Uuid"},
    "Access.GrantAdded": {"grant": "$ref:GrantInfo"},
    "Access.GrantChanged": {"grant": "$ref:GrantInfo"},
    "Access.GrantRemoved": {"grantId": "Uuid"},
    "Access.LockAdded": {"lock": "$ref:LockInfo"},
    "Access.LockChanged": {"lock": "$ref:LockInfo"},
    "Access.LockRemoved": {"lockId": "Uuid"},
    "Access.OwnerAdded": {"owner": "$ref:OwnerInfo"},
    "Access.PersonAdded": {"person": "$ref:PersonInfo"},
    "Access.PersonChanged": {"person": "$ref:PersonInfo"},
    "Access.PersonRemoved": {"personId": "Uuid"},
    "Access.SyncPending": {"lockId": "Uuid"},
    "AccessKeys.AccessKeyAdded": {"accessKey": "$ref:AccessKeyInfo"},
    "AccessKeys.AccessKeyChanged": {"accessKey": "$ref:AccessKeyInfo"},
    "AccessKeys.AccessKeyRemoved": {"accessKeyId": "Uuid"},
    "LockGroups.LockGroupAdded": {"lockGroup": "$ref:LockTarget"},
    "LockGroups.LockGroupChanged": {"lockGroup": "$ref:LockTarget"},
    "LockGroups.LockGroupRemoved": {"lockGroupId": "Uuid"},
    "LockGroups.MembershipAdded": {"membership": "$ref:LockGroupMembership"},
    "LockGroups.MembershipChanged": {"membership": "$ref:LockGroupMembership"},
    "LockRoles.KeyAdded": {"key": "$ref:SharedKey"},
    "LockRoles.KeyChanged": {"key": "$ref:SharedKey"},
    "LockRoles.KeyRemoved": {"id": "Uuid", "lockId": "Uuid", "userId": "String"},
    "LockRoles.RoleAdded": {"role": "$ref:LockRole"},
    "LockRoles.RoleChanged": {"role": "$ref:LockRole"},
    "LockRoles.RoleRemoved": {"id": "Uuid", "lockId": "Uuid", "userId": "String"},
    "JSONRPC.PushButtonAuthFinished": FINISHED,
    "SmartlockAuths.AuthAdded": {"auth": "$ref:SmartlockAuth"},
    "SmartlockAuths.AuthChanged": {"auth": "$ref:SmartlockAuth"},
    "SmartlockAuths.AuthRemoved": {"smartlockId": "Uuid", "id": "Uuid"},
    "Users.PushButtonAuthFinished": FINISHED,
    "Users.UserAdded": {"userInfo": "$ref:UserInfo"},
    "Users.UserChanged": {"userInfo": "$ref:UserInfo"},
    "Users.UserRemoved": {"username": "String"},
}

ENUMS = {
    "AccessError": [
        f"AccessError{name}"
        for name in (
            "NoError",
            "BackendError",
            "PermissionDenied",
            "InvalidParameter",
            "OwnerNotFound",
            "LockNotFound",
            "LockGroupNotFound",
            "PersonNotFound",
            "CredentialNotFound",
            "GrantNotFound",
            "SyncItemNotFound",
            "InvalidSchedule",
            "Duplicate",
        )
    ],
    "CredentialType": ["code", "proximity", "phone"],
    "SyncEntity": ["grant", "membership"],
    "AccessEventKind": ["decision", "change", "sync"],
    "GrantState": ["pending", "active", "revoking", "revoked", "failed"],
    "AccessKeyError": [
        f"AccessKeyError{name}"
        for name in (
            "NoError",
            "BackendError",
            "PermissionDenied",
            "InvalidParameter",
            "AccessKeyNotFound",
            "KeyMissing",
            "InvalidKey",
            "InvalidPin",
            "InvalidDate",
            "AccessLevelNotFound",
            "PersonNotFound",
            "NameTooLong",
        )
    ],
    "AccessKeyStatus": ["NotApplied", "Pending", "Applied", "PartiallyApplied", "Failed"],
    "AccessKeyType": ["proximity", "code"],
    "LockGroupError": [
        f"LockGroupError{name}"
        for name in (
            "NoError",
            "BackendError",
            "PermissionDenied",
            "InvalidParameter",
            "TitleMissing",
            "OwnerNotFound",
            "LockGroupNotFound",
            "LocksAssigned",
            "ActiveGrants",
            "AlreadyMember",
            "ProtocolVersionTooOld",
            "TooManyGroups",
            "LockNotFound",
            "MembershipNotFound",
            "BadFilter",
        )
    ],
    "SmartlockAuthError": [
        f"SmartlockAuthError{name}"
        for name in (
            "NoError",
            "BackendError",
            "PermissionDenied",
            "InvalidParameter",
            "SmartlockNotFound",
            "AuthNotFound",
            "AccountUserNotFound",
            "Conflict",
            "NameTooLong",
            "Locked",
        )
    ],
    "LockRoleError": [
        f"LockRoleError{name}"
        for name in (
            "NoError",
            "BackendError",
            "PermissionDenied",
            "InvalidParameter",
            "LockHolderNotFound",
            "LockNotFound",
            "InvalidUserId",
            "RoleNotFound",
            "SharingNotAllowed",
            "KeyNotPermanent",
            "KeyNotFound",
        )
    ],
    "MembershipState": ["JoinPending", "Joined", "UnjoinPending", "Unjoined"],
    "SyncOperation": ["add", "update", "remove"],
    "AccessReason": [
        "unknownCredential",
        "revoked",
        "disabled",
        "lockedOut",
        "notAuthorized",
        "notYetValid",
        "expired",
        "outsideSchedule",
        "remoteNotAllowed",
        "pinNotSet",
        "wrongPin",
        "granted",
    ],
    "Weekday": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    "PermissionScope": [
        f"PermissionScope{name}"
        for name in (
            "None",
            "ControlThings",
            "ConfigureThings",
            "AccessAllThings",
            "ExecuteRules",
            "ConfigureRules",
            "Admin",
        )
    ],
    "UserError": [
        f"UserError{name}"
        for name in (
            "NoError",
            "BackendError",
            "InvalidUserId",
            "DuplicateUserId",
            "BadPassword",
            "TokenNotFound",
            "PermissionDenied",
            "InconsistantScopes",
        )
    ],
}

#: The types that are no enums, without those of users and tokens.
TYPES: dict[str, Any] = {
    "AccessKeyInfo": {
        "r:id": "Uuid",
        "r:key": "$ref:KeyIdentification",
        "r:o:validFromDate": "String",
        "r:o:validToDate": "String",
        "r:accessLevels": ["Uuid"],
        "r:o:person": "$ref:KeyHolder",
    },
    "AccessLevel": {"r:id": "Uuid", "r:title": "String"},
    "KeyHolder": {"r:id": "Uuid", "r:firstName": "String", "r:lastName": "String"},
    "KeyIdentification": {"identification": "String", "type": "$ref:AccessKeyType"},
    "NewKeyHolder": {"o:id": "Uuid", "o:firstName": "String", "o:lastName": "String"},
    "SystemStatusInfo": {"r:systemId": "String", "r:status": "$ref:AccessKeyStatus", "r:o:error": "String"},
    "AccessDecision": {
        "r:allowed": "Bool",
        "r:reason": "$ref:AccessReason",
        "r:grantIds": ["Uuid"],
        "r:o:until": "String",
        "r:desired": "Bool",
        "r:onLock": "Bool",
    },
    "AccessEvent": {
        "r:id": "Uuid",
        "r:time": "String",
        "r:kind": "$ref:AccessEventKind",
        "r:o:lockId": "Uuid",
        "r:o:personId": "Uuid",
        "r:o:credentialId": "Uuid",
        "r:o:allowed": "Bool",
        "r:reason": "String",
        "r:o:code": "Uint",
        "r:details": "Object",
    },
    "CredentialInfo": {
        "r:id": "Uuid",
        "r:ownerId": "Uuid",
        "r:o:personId": "Uuid",
        "r:o:lockId": "Uuid",
        "r:type": "$ref:CredentialType",
        "r:value": "String",
        "r:hasPin": "Bool",
        "r:enabled": "Bool",
        "r:o:lockedUntil": "String",
    },
    "GrantContact": {
        "r:id": "Uuid",
        "r:ownerId": "Uuid",
        "r:comment": "String",
        "r:ipId": "String",
        "r:ipUserId": "String",
        "r:email": "String",
        "r:ipUserName": "String",
        "r:isActive": "Bool",
        "r:title": "String",
    },
    "GrantInfo": {
        "r:id": "Uuid",
        "r:ownerId": "Uuid",
        "r:o:personId": "Uuid",
        "r:o:credentialId": "Uuid",
        "r:o:lockId": "Uuid",
        "r:o:lockGroupId": "Uuid",
        "r:o:validFrom": "String",
        "r:o:validBefore": "String",
        "r:o:schedule": "$ref:Schedule",
        "r:enabled": "Bool",
        "r:remoteAllowed": "Bool",
        "r:o:name": "String",
        "r:state": "$ref:GrantState",
        "r:issuer": "String",
        "r:created": "String",
        "r:o:revoked": "String",
    },
    "HolderInfo": {
        "r:o:personId": "Uuid",
        "r:o:credentialId": "Uuid",
        "r:allowed": "Bool",
        "r:reason": "$ref:AccessReason",
        "r:grantIds": ["Uuid"],
        "r:o:until": "String",
        "r:onLock": "Bool",
    },
    "KeyPeriod": {"startHour": "Int", "startMinute": "Int", "endHour": "Int", "endMinute": "Int"},
    "KeyRecurrence": {f"o:{day}": "$ref:KeyPeriod" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
    "LockGroupGrant": {
        "r:contact": "$ref:GrantContact",
        "r:boundCard": "String",
        "r:boundLock": "$ref:LockTarget",
        "r:owner": "String",
        "r:id": "Uuid",
        "r:boundLockId": "Uuid",
        "r:contactId": "Uuid",
        "r:validFrom": "String",
        "r:validBefore": "String",
        "r:timeRestrictionIcal": "String",
        "r:state": "String",
        "r:active": "Bool",
        "r:boundCardId": "Uuid",
        "r:customPayload": "String",
    },
    "LockGroupMembership": {
        "r:boundLock": "$ref:LockTarget",
        "r:lockGroup": "$ref:LockTarget",
        "r:lastSeenRclSerialNo": "Uint",
        "r:lastSeenRclUpdateDate": "String",
        "r:id": "Uuid",
        "r:lockGroupId": "Uuid",
        "r:boundLockId": "Uuid",
        "r:joinStartDate": "String",
        "r:joinCompletedDate": "String",
        "r:leaveStartDate": "String",
        "r:leaveCompletedDate": "String",
    },
    "LockGroupStatistics": {"r:ByState": ["$ref:StateCount"]},
    "LockInfo": {
        "r:id": "Uuid",
        "r:ownerId": "Uuid",
        "r:title": "String",
        "r:description": "String",
        "r:timeZone": "String",
        "r:protocolVersion": "Uint",
        "r:systemId": "String",
        "r:virtual": "Bool",
        "r:o:bridge": "String",
        "r:rclSerialNo": "Uint",
        "r:o:rclDate": "String",
        "r:o:lastSeenRclSerialNo": "Uint",
        "r:pendingSyncCount": "Uint",
    },
    "LockRole": {
        "r:id": "Uuid",
        "r:userId": "String",
        "r:o:userName": "String",
        "r:lockId": "Uuid",
        "r:canShare": "Bool",
        "r:created": "String",
        "r:createdKeys": "Uint",
    },
    "LockTarget": {
        "r:active": "Bool",
        "r:rclSerialNo": "Uint",
        "r:rclDate": "String",
        "r:targetType": "String",
        "r:id": "Uuid",
        "r:physicalLockId": "String",
        "r:title": "String",
        "r:description": "String",
        "r:o:supportedFeatures": "$ref:SupportedFeatures",
        "r:o:statistics": "$ref:LockGroupStatistics",
    },
    "OwnerInfo": {"r:id": "Uuid", "r:title": "String"},
    "PersonInfo": {
        "r:id": "Uuid",
        "r:ownerId": "Uuid",
        "r:number": "Uint",
        "r:firstName": "String",
        "r:lastName": "String",
        "r:email": "String",
        "r:phone": "String",
        "r:o:username": "String",
        "r:enabled": "Bool",
    },
    "ReachInfo": {
        "r:lockId": "Uuid",
        "r:allowed": "Bool",
        "r:reason": "$ref:AccessReason",
        "r:grantIds": ["Uuid"],
        "r:o:until": "String",
        "r:onLock": "Bool",
    },
    "Schedule": {"o:weekly": ["$ref:WeeklyWindow"], "o:ical": "String"},
    "SharedKey": {
        "r:id": "Uuid",
        "r:lockId": "Uuid",
        "r:userId": "String",
        "r:sharedBy": "Uuid",
        "r:o:name": "String",
        "r:o:start": "String",
        "r:o:end": "String",
        "r:o:recurrence": "$ref:KeyRecurrence",
        "r:state": "$ref:GrantState",
        "r:created": "String",
    },
    "AuthUpdate": {"id": "Uuid", **UPDATED_AUTH},
    "Pagination": {
        "r:totalItems": "Uint",
        "r:totalPages": "Uint",
        "r:currentPage": "Uint",
        "r:o:nextPage": "Uint",
        "r:o:prevPage": "Uint",
        "r:pageSize": "Uint",
    },
    "SmartlockAuth": {
        "r:id": "Uuid",
        "r:smartlockId": "Uuid",
        "r:o:accountUserId": "Uint",
        "r:type": "Uint",
        "r:name": "String",
        "r:enabled": "Bool",
        "r:remoteAllowed": "Bool",
        "r:lockCount": "Uint",
        "r:o:code": "String",
        "r:o:allowedFromDate": "String",
        "r:o:allowedUntilDate": "String",
        "r:o:allowedWeekDays": "Uint",
        "r:o:allowedFromTime": "Uint",
        "r:o:allowedUntilTime": "Uint",
        "r:o:schedule": "$ref:Schedule",
        "r:o:lastActiveDate": "String",
        "r:creationDate": "String",
        "r:updateDate": "String",
        "r:o:operationId": "Uuid",
        "r:o:error": "String",
    },
    "ShownCredential": {"type": "$ref:CredentialType", "value": "String"},
    "StateCount": {"r:State": "$ref:MembershipState", "r:Count": "Uint"},
    "SupportedFeatures": {"r:timeRestrictionIcalSupport": "String"},
    "SyncConfirmation": {"id": "Uuid", "o:error": "String"},
    "SyncItemInfo": {
        "r:id": "Uuid",
        "r:entity": "$ref:SyncEntity",
        "r:entityId": "Uuid",
        "r:op": "$ref:SyncOperation",
        "r:content": "Object",
        "r:created": "String",
        "r:attempts": "Uint",
        "r:o:error": "String",
    },
    "WeeklyWindow": {"weekdays": ["$ref:Weekday"], "from": "String", "until": "String"},
}

BASIC_TYPES = {"Bool", "Int", "Uint", "Double", "String", "Uuid", "Object", "Variant"}


@pytest.fixture
async def contract(server: Server) -> dict[str, Any]:
    """What Introspect answers."""
    return await (await server.operator()).call("JSONRPC.Introspect")


@pytest.fixture
async def document(server: Server) -> dict[str, Any]:
    """What rpc.discover answers."""
    return await (await server.client("tcp", "jsonrpc2", hello=False)).call("rpc.discover")


def values(declared: Any) -> Iterator[str]:
    """All names of types in a declaration."""
    if isinstance(declared, str):
        yield declared
    else:
        for value in declared.values() if isinstance(declared, dict) else declared:
            yield from values(value)


def references(document: Any) -> Iterator[str]:
    """All references in a JSON document."""
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        for value in document.values():
            yield from references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)


def bare(key: str) -> str:
    """A key without its marks."""
    return key.rpartition(":")[2]


# Introspect


async def test_introspect_declares_all_methods(contract: dict[str, Any]) -> None:
    """Introspect has exactly the methods of the API, each with a description, a scope, params and returns."""
    assert set(contract["methods"]) == set(METHODS) | {"JSONRPC.Hello"}
    for method in contract["methods"].values():
        assert set(method) == {"description", "params", "permissionScope", "returns"}
        assert method["description"]
        assert method["permissionScope"] in ENUMS["PermissionScope"]


@pytest.mark.parametrize("part", ["params", "returns"])
async def test_introspect_declares_params_and_returns(contract: dict[str, Any], part: str) -> None:
    """Every method has its params and returns, each of its type and marked where it is optional or deprecated."""
    declared = {name: contract["methods"][name][part] for name in METHODS}
    assert declared == {name: both[part == "returns"] for name, both in METHODS.items()}
    for name, both in METHODS.items():
        assert list(declared[name]) == list(both[part == "returns"]), name


async def test_introspect_declares_hello(contract: dict[str, Any]) -> None:
    """Hello has its params and returns, of which none is deprecated and those of a token are optional."""
    hello = contract["methods"]["JSONRPC.Hello"]
    assert (list(hello["params"]), sorted(hello["returns"])) == (HELLO[0], sorted(HELLO[1]))
    assert hello["returns"]["o:permissionScopes"] == "$ref:PermissionScopes"


async def test_introspect_declares_notifications(contract: dict[str, Any]) -> None:
    """Introspect has exactly the notifications of the API, each with a description and its params."""
    for notification in contract["notifications"].values():
        assert set(notification) == {"description", "params"}
        assert notification["description"]
    declared = {name: notification["params"] for name, notification in contract["notifications"].items()}
    assert declared == NOTIFICATIONS


async def test_introspect_declares_types(contract: dict[str, Any]) -> None:
    """Introspect has the enums in the order of their values, the flags, and the types with their members."""
    assert contract["enums"] == ENUMS
    assert contract["flags"] == {"PermissionScopes": ["$ref:PermissionScope"]}
    types = contract["types"]
    for name, members in TYPES.items():
        assert types[name] == members, name
        assert list(types[name]) == list(members), name
    assert types["UserInfo"] == {
        "r:username": "String",
        "r:email": "String",
        "r:displayName": "String",
        "r:scopes": "$ref:PermissionScopes",
        "r:allowedThingIds": ["Uuid"],
    }
    assert types["UserInfoList"] == ["$ref:UserInfo"]
    assert types["TokenInfoList"] == ["$ref:TokenInfo"]
    assert types["TokenInfo"] == {
        "r:id": "Uuid",
        "r:username": "String",
        "r:creationTime": "Uint",
        "r:deviceName": "String",
    }


async def test_introspect_is_complete(contract: dict[str, Any]) -> None:
    """Every type that is referred to is declared once, every declared one is referred to, every other is basic."""
    sections = [contract["types"], contract["enums"], contract["flags"]]
    declared = [name for section in sections for name in section]
    assert len(declared) == len(set(declared))
    used = list(values(contract["types"])) + list(values(contract["flags"]))
    for method in contract["methods"].values():
        used += [*values(method["params"]), *values(method["returns"])]
    for notification in contract["notifications"].values():
        used += values(notification["params"])
    assert {name.removeprefix("$ref:") for name in used if name.startswith("$ref:")} == set(declared)
    assert {name for name in used if not name.startswith("$ref:")} <= BASIC_TYPES


async def test_introspect_marks_keys(contract: dict[str, Any]) -> None:
    """Keys are marked with r:, d: and o:, in this order, and nothing else; without marks they are unique."""
    declared = [method[part] for method in contract["methods"].values() for part in ("params", "returns")]
    declared += [notification["params"] for notification in contract["notifications"].values()]
    declared += [members for members in contract["types"].values() if isinstance(members, dict)]
    for members in declared:
        assert all(re.fullmatch(r"(r:)?(d:)?(o:)?[A-Za-z]+( [a-z]+)?", key) for key in members), members
        assert len({bare(key) for key in members}) == len(members)


# rpc.discover


async def test_discover_is_public(server: Server, transport: Transport, dialect: Dialect) -> None:
    """The OpenRPC document is answered to strangers before and after set-up and to users, always the same."""
    first = await server.client(transport, dialect)
    document = await first.call("rpc.discover")
    assert document["openrpc"].startswith("1.")
    assert document["info"]["title"]
    assert document["info"]["version"]
    await server.set_up()
    assert await first.call("rpc.discover") == document
    await server.add_user("bob")
    bob = await server.login("bob", transport, dialect)
    assert await bob.call("rpc.discover") == document
    stale = await server.client(transport, dialect, token="gone")
    assert await stale.call("rpc.discover") == document


async def test_discover_is_a_first_message_in_json_rpc(server: Server, transport: Transport) -> None:
    """In JSON-RPC 2.0 the document needs no handshake."""
    raw = await server.raw(transport)
    reply = await raw.ask({"jsonrpc": "2.0", "id": "a", "method": "rpc.discover"})
    assert reply["id"] == "a"
    assert reply["result"]["methods"]


async def test_discover_lists_the_same(contract: dict[str, Any], document: dict[str, Any]) -> None:
    """Both documents have the same methods, scopes, params in the declared order, returns and notifications."""
    methods = {method["name"]: method for method in document["methods"]}
    assert len(methods) == len(document["methods"])
    assert set(methods) == set(contract["methods"])
    for name, declared in contract["methods"].items():
        method = methods[name]
        assert method["x-permissionScope"] == declared["permissionScope"]
        assert method["description"] == declared["description"]
        assert [param["name"] for param in method["params"]] == [bare(key) for key in declared["params"]], name
        required = [bare(key) for key in declared["params"] if "o:" not in key]
        assert [param["name"] for param in method["params"] if param.get("required")] == required, name
        result = method["result"]["schema"]
        assert list(result["properties"]) == [bare(key) for key in declared["returns"]], name
        assert sorted(result["required"]) == sorted(bare(key) for key in declared["returns"] if "o:" not in key), name
    notifications = {item["name"]: item for item in document["x-notifications"]}
    assert set(notifications) == set(contract["notifications"])
    for name, declared in contract["notifications"].items():
        params = notifications[name]["params"]
        assert [param["name"] for param in params] == [bare(key) for key in declared["params"]], name
        required = [bare(key) for key in declared["params"] if "o:" not in key]
        assert [param["name"] for param in params if param.get("required")] == required, name


async def test_discover_is_complete(document: dict[str, Any]) -> None:
    """Every reference in the document leads to something in it."""
    found = set(references(document))
    assert found
    for reference in found:
        target: Any = document
        assert reference.startswith("#/")
        for step in reference[2:].split("/"):
            target = target[step]
        assert target


async def test_params_go_by_position_as_declared(home: Server) -> None:
    """Positional params are taken in the order in which the document lists them, optional ones from the right."""
    admin = await home.raw()
    login = await admin.ask(
        {"jsonrpc": "2.0", "id": 1, "method": "JSONRPC.Authenticate", "params": ["admin", PASSWORD, "phone"]}
    )
    assert login["result"]["username"] == "admin"
    positional = ["bob", PASSWORD, "Bob", "b@example.org", ["PermissionScopeControlThings"], []]
    reply = await admin.ask({"jsonrpc": "2.0", "id": 2, "method": "Users.CreateUser", "params": positional})
    assert reply["result"] == {"error": "UserErrorNoError"}
    reply = await admin.ask({"jsonrpc": "2.0", "id": 3, "method": "Users.SetUserInfo", "params": ["bob", "Bobby"]})
    assert reply["result"] == {"error": "UserErrorNoError"}
    reply = await admin.ask({"jsonrpc": "2.0", "id": 4, "method": "Users.GetUsers"})
    assert reply["result"]["users"][1] == {
        "username": "bob",
        "email": "b@example.org",
        "displayName": "Bobby",
        "scopes": ["PermissionScopeControlThings"],
        "allowedThingIds": [],
    }
    reply = await admin.ask({"jsonrpc": "2.0", "id": 5, "method": "Users.RemoveUser", "params": ["bob", "carol"]})
    assert reply["error"]["code"] == -32602


async def test_what_is_answered_has_the_declared_keys(start_server: StartServer, dialect: Dialect) -> None:
    """Replies have all the keys that are declared for them but optional ones, and none that is not."""
    server = await start_server(push_button=True)
    await server.set_up()
    admin = await server.login("admin", "ws", dialect)
    contract = await admin.call("JSONRPC.Introspect")
    lock = (await admin.call("Access.AddLock", {"title": "Door"}))["lock"]["id"]
    person = (await admin.call("Access.AddPerson"))["person"]["id"]
    owner = (await admin.call("Access.GetOwners"))["owners"][0]["id"]
    given: dict[str, dict[str, Any]] = {
        "Access.AddGrant": {"personId": person, "lockId": lock},
        "Access.Evaluate": {"lockId": lock, "personId": person},
        "Access.GetEvents": {"limit": 1},
        "Access.GetLocks": {},
        "Access.GetOwners": {},
        "Access.GetPendingSync": {"lockId": lock},
        "Access.ReportAccess": {"lockId": lock, "personId": person},
        "Access.SyncLock": {"lockId": lock},
        "LockGroups.CreateLockGroup": {"ownerAccountId": owner, "title": "Office"},
        "AccessKeys.AddAccessKey": {"key": {"identification": "1234", "type": "code"}, "person": {"id": person}},
        "AccessKeys.GetAccessLevels": {},
        "LockGroups.GetLockGroups": {"ownerAccountId": owner, "expand": "supportedFeatures,statistics"},
        "LockRoles.SetRole": {"lockHolderId": owner, "lockId": lock, "userId": "+4781549300", "canShare": True},
        "LockRoles.GetRoles": {"lockHolderId": owner},
        "SmartlockAuths.CreateAuth": {
            "smartlockId": lock,
            "name": "x",
            "remoteAllowed": True,
            "type": 13,
            "code": "394857",
        },
        "SmartlockAuths.GetAuthsPaged": {},
        "JSONRPC.Authenticate": {"username": "admin", "password": PASSWORD, "deviceName": "phone"},
        "JSONRPC.Hello": {},
        "JSONRPC.Introspect": {},
        "JSONRPC.KeepAlive": {"sessionId": None},
        "JSONRPC.RequestPushButtonAuth": {"deviceName": "phone"},
        "JSONRPC.SetNotificationStatus": {},
        "JSONRPC.Version": {},
        "Users.ChangePassword": {"newPassword": "weak"},
        "Users.GetTokens": {},
        "Users.GetUserInfo": {},
        "Users.GetUserTokens": {"username": "admin"},
        "Users.GetUsers": {},
    }
    for name, params in given.items():
        client = await server.login("admin", "ws", dialect)
        reply = await client.call(name, params)
        declared = contract["methods"][name]["returns"]
        assert set(reply) <= {bare(key) for key in declared}, name
        assert set(reply) >= {bare(key) for key in declared if "o:" not in key}, name
    client = await server.client("ws", dialect)
    wrong = {"username": "admin", "password": "wrong", "deviceName": "phone"}
    returns = contract["methods"]["JSONRPC.Authenticate"]["returns"]
    assert set(await client.call("JSONRPC.Authenticate", wrong)) == {bare(key) for key in returns if "o:" not in key}
