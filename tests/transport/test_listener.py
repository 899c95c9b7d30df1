"""What all listeners have in common: sockets, and who is at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import PATIENCE, StartServer

from nymead_users.endpoint import Endpoint
from nymead_users.peer import Peer
from nymead_users.transport.listener import (
    KEEPALIVE_IDLE,
    KEEPALIVE_INTERVAL,
    KEEPALIVE_PROBES,
    ListenError,
    bind,
    keep_alive,
    peer_of,
)


def has_ipv6() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.bind(("::1", 0))
        return True
    return False


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Closes what a test opened."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        (("192.0.2.7", 4000), Peer("192.0.2.7:4000", "192.0.2.7", local=False)),
        (("127.0.0.1", 4000), Peer("127.0.0.1:4000", "127.0.0.1", local=True)),
        (("127.9.9.9", 4000), Peer("127.9.9.9:4000", "127.9.9.9", local=True)),
        (("::1", 4000, 0, 0), Peer("[::1]:4000", "::1", local=True)),
        (("2001:db8:1:2:3:4:5:6", 4000, 0, 0), Peer("[2001:db8:1:2:3:4:5:6]:4000", "2001:db8:1:2::/64", local=False)),
        (("fe80::1%eth0", 4000, 0, 2), Peer("[fe80::1]:4000", "fe80::/64", local=False)),
        (("::ffff:192.0.2.7", 4000, 0, 0), Peer("192.0.2.7:4000", "192.0.2.7", local=False)),
        (("::ffff:127.0.0.1", 4000, 0, 0), Peer("127.0.0.1:4000", "127.0.0.1", local=True)),
    ],
)
def test_a_peer_is_known_by_its_network(address: tuple[str, int], peer: Peer) -> None:
    """Limits count an IPv4 address, however it is written, and an IPv6 /64: a home's machines share one."""
    assert peer_of(address) == peer


def test_two_machines_of_a_home_count_as_one() -> None:
    """Addresses that one host can pick for itself are one network, a neighbour's is another."""
    first, second = peer_of(("2001:db8::1", 1)), peer_of(("2001:db8::ffff:1", 2))
    neighbour = peer_of(("2001:db8:0:1::1", 1))
    assert first.network == second.network != neighbour.network


@ipv6
def test_localhost_is_both_families_on_one_port(closing: ExitStack) -> None:
    """Localhost is bound for IPv4 and IPv6, with the same port even where the system picks it."""
    families = {family for family, *_ in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    sockets = [closing.enter_context(bound) for bound in bind(Endpoint.parse("nymea://localhost:0"))]
    assert {bound.family for bound in sockets} == families
    assert len({bound.getsockname()[1] for bound in sockets}) == 1
    assert sockets[0].getsockname()[1] != 0


@ipv6
def test_an_ipv6_socket_leaves_ipv4_alone(closing: ExitStack) -> None:
    """All addresses of IPv6 and all of IPv4 can be bound on one port, each for itself."""
    (six,) = bind(Endpoint.parse("nymea://[::]:0"))
    closing.enter_context(six)
    (four,) = bind(Endpoint.parse(f"nymea://0.0.0.0:{six.getsockname()[1]}"))
    closing.enter_context(four)
    assert (six.family, four.family) == (socket.AF_INET6, socket.AF_INET)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nymea://no-such-host.invalid:0", "no-such-host.invalid is no address of this machine"),
        ("nymea://192.0.2.1:0", "cannot listen there: Cannot assign requested address"),
    ],
)
def test_an_address_of_others_is_refused(url: str, reason: str) -> None:
    """A host that is unknown or another machine's can't be listened on, and the URL is named."""
    with pytest.raises(ListenError) as refusal:
        bind(Endpoint.parse(url))
    assert str(refusal.value).startswith(f"{url}: {reason}")


def test_a_taken_port_is_refused_and_nothing_stays_bound(closing: ExitStack) -> None:
    """Where one family's port is taken, the other family's socket is given back."""
    taken = closing.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = taken.getsockname()[1]
    with pytest.raises(ListenError, match="Address already in use"):
        bind(Endpoint.parse(f"ws://localhost:{port}"))
    if has_ipv6():
        closing.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6))


def test_the_system_looks_after_dead_peers() -> None:
    """TCP keep-alive finds a peer that is gone within two minutes."""
    with socket.socket() as connection:
        keep_alive(connection)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, interval, probes = (
            connection.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000
    assert idle + interval * probes == 120
    assert idle + interval * probes == KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_PROBES


@pytest.mark.parametrize(
    ("place", "reason"),
    [("missing/socket", "No such file or directory"), ("s" * 120, "too long for a socket"), ("file", "no socket")],
)
async def test_a_unix_socket_needs_a_place(tmp_path: Path, start_server: StartServer, place: str, reason: str) -> None:
    """A Unix socket where none can be is refused with the reason, and what is there stays."""
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ListenError, match=reason):
        await start_server(listeners=[f"unix://{tmp_path / place}"])
    assert (tmp_path / "file").read_text() == "precious"
    assert not (tmp_path / "data/control.sock").exists()


@pytest.mark.parametrize("scheme", ["nymea", "nymeas", "ws", "wss"])
async def test_who_is_gone_before_being_accepted_leaves_nothing(
    start_server: StartServer, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that resets its connection at once makes no noise in the log and takes up no place."""
    server = await start_server(listeners=[f"{scheme}://127.0.0.1:0", "nymea://127.0.0.1:0"], limits={"connections": 1})
    endpoint = Endpoint.parse(server.urls[0])
    for _ in range(20):
        # All this happens in one turn of the server's event loop.
        with socket.create_connection((endpoint.host, endpoint.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    async with asyncio.timeout(PATIENCE):
        while "status" not in (reply := await (await server.raw(url=server.urls[1])).ask('{"id": 1, "method": ""}\n')):
            pass
    assert reply["error"] != "Server busy. Try again later."
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def test_another_programs_socket_is_not_taken(tmp_path: Path, start_server: StartServer) -> None:
    """A Unix socket on which somebody listens is left to them."""
    path = tmp_path / "theirs"
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(path))
        theirs.listen()
        with pytest.raises(ListenError, match="another program listens there"):
            await start_server(listeners=[f"unix://{path}"])
    assert path.is_socket()
