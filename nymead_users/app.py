"""The composition root: the one module that names concrete classes, and starts and stops everything."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from nymead_users import __version__, systemd
from nymead_users.access.authorizations import Authorizations
from nymead_users.access.decisions import Decisions, PinRules
from nymead_users.access.grants import Grants
from nymead_users.access.groups import Groups
from nymead_users.access.keys import AccessKeys
from nymead_users.access.locks import Locks
from nymead_users.access.people import People
from nymead_users.access.roles import Roles
from nymead_users.access.sync import Synchronisation
from nymead_users.access.transfer.transfer import Transfer
from nymead_users.access.unit import Model
from nymead_users.config import Settings
from nymead_users.console import console_site
from nymead_users.endpoint import Endpoint
from nymead_users.events import EventBus
from nymead_users.identity.passwords import Passwords
from nymead_users.identity.pushbutton import PushButton
from nymead_users.identity.store import UserStore
from nymead_users.identity.throttling import Throttle
from nymead_users.identity.users import Users
from nymead_users.namespaces.access import AccessNamespace
from nymead_users.namespaces.access.namespace import AccessDomain
from nymead_users.namespaces.accesskeys import AccessKeysNamespace
from nymead_users.namespaces.discovery import DiscoveryNamespace
from nymead_users.namespaces.jsonrpc import JsonRpcNamespace
from nymead_users.namespaces.jsonrpc.namespace import ServerIdentity
from nymead_users.namespaces.lockgroups import LockGroupsNamespace
from nymead_users.namespaces.lockroles import LockRolesNamespace
from nymead_users.namespaces.operator import OperatorNamespace
from nymead_users.namespaces.smartlockauths import SmartlockAuthsNamespace
from nymead_users.namespaces.users import UsersNamespace
from nymead_users.rpc.dispatcher import Dispatcher
from nymead_users.rpc.observed import ObservedDispatcher
from nymead_users.rpc.registry import Registry
from nymead_users.session.broadcaster import Broadcaster
from nymead_users.session.directory import Directory
from nymead_users.session.session import Limits, SessionFactory
from nymead_users.storage.database import Database
from nymead_users.storage.datadir import CONTROL_SOCKET, STORE, data_directory
from nymead_users.transport.listener import Listener
from nymead_users.transport.metrics import MetricsListener
from nymead_users.transport.site import Site
from nymead_users.transport.tcp import TcpListener
from nymead_users.transport.unix import UnixListener
from nymead_users.wire.dialect import encode

if TYPE_CHECKING:
    from nymead_users.metrics import Metrics
    from nymead_users.transport.tls import ServerTls

log = logging.getLogger(__name__)

#: Open files beside connections: the store's, listeners, the operator's connections, with room to spare.
OTHER_FILES = 256


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is up.

    ``endpoints`` are the announced listeners, with their real ports; ``fingerprint`` is the TLS
    certificate's, where there is a TLS listener; ``metrics`` is where they are, if switched on.
    """

    endpoints: tuple[Endpoint, ...]
    fingerprint: str | None
    metrics: Endpoint | None
    initial_setup_required: bool


async def serve(settings: Settings, announce: Callable[[Running], None]) -> None:
    """Run the server until SIGTERM or SIGINT; ``announce`` is called once everything is up.

    Raises DataDirectoryError, StoreUnusable and ListenError where it can't start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _allow_open_files(settings.limits.connections)
    async with running(settings) as server:
        announce(server)
        systemd.notify("READY=1")
        log.info("server started", extra={"version": __version__})
        await stop.wait()
        systemd.notify("STOPPING=1")
        log.info("server stopping")
    log.info("server stopped")


def _allow_open_files(connections: int) -> None:
    """Raise the process's own limit of open files as far as so many connections need and the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            log.warning("fewer open files allowed than connections", extra={"allowed": allowed, "wanted": wanted})


@asynccontextmanager
async def running(settings: Settings, *, offline: bool = False) -> AsyncIterator[Running]:
    """A server that is up within the block. ``offline``: on its control socket alone.

    Raises DataDirectoryError, StoreUnusable and ListenError where it can't start.
    """
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(data_directory(settings.data_dir))
        database = await Database.open(directory / STORE)
        stack.push_async_callback(database.close)
        passwords = Passwords(**settings.argon2.model_dump())
        stack.callback(passwords.close)
        events = EventBus()
        store = UserStore(database, tokens_per_user=settings.limits.tokens_per_user)
        users = Users(
            store,
            passwords,
            Throttle(**settings.throttling.model_dump()),
            events,
            initial_setup=settings.initial_setup,
        )
        await users.start()
        access = _access(settings, database, users, store, passwords, events)
        wanted = () if offline else settings.listeners
        tls = None
        if any(listener.endpoint.tls for listener in wanted):
            from nymead_users.transport.tls import server_tls  # noqa: PLC0415 - slow to import, not always needed

            tls = await asyncio.to_thread(server_tls, settings.tls_cert, settings.tls_key, directory)
        metrics = None if offline or settings.metrics is None else _metrics(users, passwords)
        sessions = _Sessions(settings, database, users, access, events, metrics)
        # Describing the contract takes its time; the command line's server on its control socket shows no pages.
        browsable = any(listener.endpoint.websocket for listener in wanted)
        site = await asyncio.to_thread(sessions.site) if browsable else Site({})
        control = Endpoint("unix", "", 0, str((directory / CONTROL_SOCKET).absolute()))
        listeners = [
            _listener(
                listener.endpoint,
                sessions.of(operator=listener.endpoint.unix, authentication=listener.authentication),
                settings,
                tls,
                site,
            )
            for listener in wanted
        ]
        opened = [_listener(control, sessions.of(operator=True, authentication=False), settings, tls, site), *listeners]
        measured = None
        if metrics is not None and settings.metrics is not None:
            sessions.show(metrics)
            measured = _metrics_listener(settings, settings.metrics, metrics)
            opened.append(measured)
        try:
            for listener in opened:
                await listener.open()
            yield Running(
                tuple(listener.endpoint for listener in listeners),
                None if tls is None else tls.fingerprint,
                None if measured is None else measured.endpoint,
                users.required,
            )
        finally:
            for listener in opened:
                listener.stop()
            await asyncio.gather(*(listener.close() for listener in opened))


class _Access(NamedTuple):
    """The domain of access, by the namespaces that offer it."""

    domain: AccessDomain
    groups: Groups
    authorizations: Authorizations
    roles: Roles
    keys: AccessKeys
    transfer: Transfer


def _access(
    settings: Settings, database: Database, users: Users, store: UserStore, passwords: Passwords, events: EventBus
) -> _Access:
    model = Model(database, events)
    people = People(model, passwords)
    store.companions.append(people.user_removed)
    rules = PinRules(settings.access.pin_attempts, settings.access.pin_lockout)
    domain = AccessDomain(
        people, Locks(model, users), Grants(model), Synchronisation(model), Decisions(model, passwords, rules)
    )
    limit = settings.access.groups_per_lock
    return _Access(
        domain,
        Groups(model, limit=limit),
        Authorizations(model),
        Roles(model),
        AccessKeys(model, passwords),
        Transfer(model, users, passwords, groups_limit=limit),
    )


class _Sessions:
    """The session factories of one server: they share everything but whom they trust."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        users: Users,
        access: _Access,
        events: EventBus,
        metrics: Metrics | None,
    ) -> None:
        self._users = users
        self._limits = Limits(
            message_size=settings.limits.message_size,
            outbox_size=settings.limits.outbox_size,
            handshake_time=settings.limits.handshake_time,
        )
        # The directory hears first what changes: nobody may be notified by permissions of a moment ago.
        self._directory = Directory(
            events,
            limit=settings.limits.connections,
            limit_per_address=settings.limits.connections_per_address,
        )
        self._broadcaster = Broadcaster(self._directory)
        push_button = PushButton(available=settings.push_button, mint=users.log_in_by_button, revoke=users.revoke)
        notify = self._broadcaster.notify
        public = Registry(
            [
                UsersNamespace(users, push_button, events, notify, self_service=settings.self_service),
                AccessNamespace(access.domain, events, notify),
                LockGroupsNamespace(access.groups, events, notify),
                SmartlockAuthsNamespace(access.authorizations, events, notify),
                LockRolesNamespace(access.roles, events, notify),
                AccessKeysNamespace(access.keys, events, notify),
            ]
        )
        server = ServerIdentity(settings.server_name, __version__, database.server_uuid, settings.locale)
        public.add(JsonRpcNamespace(users, push_button, server, public))
        self._discovery = DiscoveryNamespace(public, __version__)
        public.add(self._discovery)
        operator = Registry([*public.namespaces.values(), OperatorNamespace(push_button, users, access.transfer)])
        # Who measures nothing pays nothing.
        dispatcher = Dispatcher if metrics is None else partial(ObservedDispatcher, observe=metrics.called)
        check_returns = settings.log.level == "debug"
        self._public = dispatcher(public, users, check_returns=check_returns)
        self._operator = dispatcher(operator, users, check_returns=check_returns)

    def of(self, *, operator: bool, authentication: bool) -> SessionFactory:
        """The sessions of one listener."""
        return SessionFactory(
            self._operator if operator else self._public,
            self._directory,
            self._broadcaster,
            self._users,
            self._limits,
            authentication=authentication and not operator,
        )

    def show(self, metrics: Metrics) -> None:
        """Have the metrics show who is connected and what was sent."""
        directory, broadcaster = self._directory, self._broadcaster
        metrics.gauge("connections", "Open connections, the operator's apart.", lambda: directory.connections)
        metrics.gauge("sessions", "Open sessions, the operator's included.", lambda: len(directory.sessions))
        metrics.counters("notifications", "Notifications sent, one for each session.", "notification", broadcaster.sent)
        metrics.counter("outbox_overflows", "Clients cut off because they did not read.", lambda: directory.overflows)

    def site(self) -> Site:
        """The console, with the contract it reads."""
        return console_site(encode(self._discovery.document))


def _metrics(users: Users, passwords: Passwords) -> Metrics:
    from nymead_users.metrics import Metrics  # noqa: PLC0415 - takes its time, and is seldom switched on

    metrics = Metrics(__version__)
    metrics.counters("logins", "Logins by outcome, by password and by button.", "outcome", users.logins)
    metrics.gauge("password_hashes_pending", "Passwords being hashed, or waiting for it.", lambda: passwords.pending)
    return metrics


def _metrics_listener(settings: Settings, address: str, metrics: Metrics) -> MetricsListener:
    return MetricsListener(
        Endpoint.http(address),
        metrics.render,
        metrics.content_type,
        handshake_time=settings.limits.handshake_time,
        allowed_hosts=settings.allowed_hosts,
    )


def _listener(
    endpoint: Endpoint, sessions: SessionFactory, settings: Settings, tls: ServerTls | None, site: Site
) -> Listener:
    context = tls.context if tls is not None and endpoint.tls else None
    limits = settings.limits
    if endpoint.unix:
        return UnixListener(endpoint, sessions)
    if endpoint.websocket:
        from nymead_users.transport.websocket import WebSocketListener  # noqa: PLC0415 - slow to import, as above

        return WebSocketListener(
            endpoint,
            sessions,
            tls=context,
            handshake_time=limits.handshake_time,
            message_size=limits.message_size,
            allowed_origins=settings.allowed_origins,
            allowed_hosts=settings.allowed_hosts,
            site=site,
        )
    return TcpListener(endpoint, sessions, tls=context, handshake_time=limits.handshake_time)
