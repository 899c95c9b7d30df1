"""Clients that keep a server busy: started by the tests as a process of its own, with the server's URLs.

They say Hello, ask for the contract, try tokens that are none and passwords that are wrong, send what is no JSON, and
come and go. On the operator's socket they have the store written, for users and tokens that are not there. They know no
password and change nothing, so a story that is told meanwhile has to go as ever.
"""

from __future__ import annotations

import asyncio
import random
import sys
from uuid import uuid4

import uvloop

from nymead_users.client import Client, ClientError
from nymead_users.client.transport import StreamTransport
from nymead_users.endpoint import Endpoint

#: Clients for each URL.
CLIENTS = 8

#: Seconds for a reply: a loaded server may take its time, but not for ever.
PATIENCE = 60.0

chance = random.SystemRandom()


async def visit(url: str) -> None:
    """Connect, call some, and go."""
    async with await Client.connect(url, dialect=chance.choice(("nymea", "jsonrpc2")), timeout=PATIENCE) as client:
        await client.hello()
        for _ in range(chance.randrange(10)):
            await client.call("rpc.discover" if chance.random() < 0.2 else "JSONRPC.Hello")
        if chance.random() < 0.5:
            await client.hello(token="nobody's")
            await client.call("Users.GetUsers")


async def guess(url: str) -> None:
    """Try to log in, as somebody who is not there, from one of many addresses that nobody else has."""
    endpoint = Endpoint.parse(url)
    address = f"127.66.{chance.randrange(16)}.{chance.randrange(1, 17)}"
    channel = StreamTransport(*await asyncio.open_connection(endpoint.host, endpoint.port, local_addr=(address, 0)))
    async with Client(channel, "nymea", token=None, timeout=PATIENCE) as client:
        await client.hello()
        await client.authenticate(f"nobody{chance.randrange(100)}", "Wr0ngPassword", "load")


async def write(url: str) -> None:
    """Have the store written, and nothing changed."""
    async with await Client.connect(url, timeout=PATIENCE) as client:
        await client.hello()
        for _ in range(chance.randrange(10)):
            await client.call("Users.RemoveUser", {"username": "nobody"})
            await client.call("Users.RemoveToken", {"tokenId": str(uuid4())})
            await asyncio.sleep(0.01)


async def litter(url: str) -> None:
    """Send what is no message, and go without waiting."""
    endpoint = Endpoint.parse(url)
    _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.write(chance.choice((b"\x00" * 100, b"[" * 1000, b"GET / HTTP/1.0\r\n\r\n", b'{"id":1,"meth')))
    writer.close()
    await writer.wait_closed()


async def one(url: str, came: asyncio.Event) -> None:
    """Come again and again, until the server is gone or the process is ended."""
    endpoint = Endpoint.parse(url)
    ways = [write] if endpoint.unix else [visit, visit, visit, litter]
    if not (endpoint.unix or endpoint.websocket or endpoint.tls):
        ways.append(guess)
    while True:
        try:
            await chance.choice(ways)(url)
        except (ClientError, OSError):
            await asyncio.sleep(0.01)
        came.set()


async def main() -> None:
    """Load the servers at the URLs that are given; say so once it has begun."""
    began = [asyncio.Event() for _ in sys.argv[1:]]
    async with asyncio.TaskGroup() as group:
        for url, came in zip(sys.argv[1:], began, strict=True):
            for _ in range(1 if url.startswith("unix:") else CLIENTS):
                group.create_task(one(url, came))
        for came in began:
            await came.wait()
        sys.stdout.write("loaded\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
