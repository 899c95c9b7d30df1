"""A connection that makes some calls in turn, again and again, in a process of its own.

``python -m benchmark.calling`` reads its options, one JSON object, from its standard input, and prints the number of
rounds per second: ``port``, the ``opening`` and the ``requests`` as texts, and for how many ``seconds``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import uvloop

from benchmark.load import Connection, Target


async def call(options: dict[str, Any]) -> float:
    """Call, and return the rounds per second."""
    opening = tuple(message.encode() for message in options["opening"])
    requests = [request.encode() for request in options["requests"]]
    connection = await Connection.open(Target(0, options["port"], opening=opening))
    rounds, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < options["seconds"]:
        for request in requests:
            await connection.ask(request)
        rounds += 1
    return rounds / (time.perf_counter() - begin)


if __name__ == "__main__":
    print(uvloop.run(call(json.loads(sys.stdin.readline()))))
