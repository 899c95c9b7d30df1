"""Write the page about performance and its chart from the results of a run of scripts/bench.py.

python scripts/bench.py --json docs/assets/bench.json   measure
python scripts/gen_performance.py                       docs/operate/performance.md, docs/assets/performance.svg
python scripts/gen_performance.py --check               write nothing; say what differs
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmark.report import chart, markdown
from generated import ROOT, settle

RESULTS = ROOT / "docs" / "assets" / "bench.json"
PAGE = ROOT / "docs" / "operate" / "performance.md"
CHART = ROOT / "docs" / "assets" / "performance.svg"

PAGE_TEXT = """\
# Performance

`make bench` measures the server beside raw baselines, on your machine, in one run of some minutes:

```console
$ make bench
$ make bench ARGS="--only tcp --only one"
$ make bench ARGS="--json results.json"
$ make bench ARGS=--help
```

## One run { #results }

%(when)s Medians of %(repetitions)d repetitions; in brackets the lowest and the highest.

<figure class="diagram" markdown="0">
--8<-- "performance.svg"
</figure>

%(table)s
## How it is measured { #method }

- **Against what.** A baseline does the least that could do the same work: the same transport and the same bytes, each
  request parsed, the same reply written, and no dispatch, no permissions, no checks. All run on uvloop and orjson, as
  the server does. What differs from machine to machine is the machine; the ratio says what the server adds.
- **Side by side.** After a round to warm up, each repetition measures the server and then its baselines, within
  seconds, because machines drift. The ratio is the median of the repetitions' ratios.
- **Apart.** The server, each baseline and the load are processes of their own, connected over loopback. The server runs
  as by default, with its log.
- **Right.** The load sends ready-made bytes. The first reply is looked into, and every further byte must be the same as
  then. Subscribers must all get the same notifications, numbered without a gap.
- **Large stores** have users of their own name and address, every second one with two things; the one of the cases
  about access has 1,000 locks, 10,000 persons and 100,000 grants, every tenth of them for a group of ten locks and
  half of the others with working hours.

## What the cases say { #cases }

- `tcp`, `one`: asyncio's streams are the baseline; an asyncio protocol that does nothing else stands beside them.
  nymead 1.15.2, the original, answered 3,459 pipelined calls in a second on a machine where the streams did 117,000;
  half of those is 17 times as much.
- `jsonrpc2`: aiorpcX is the fastest JSON-RPC server in Python that we know. It and plain jsonrpcserver answer
  without authentication and without a check of the params.
- `fan-out`: every change is on the disk before anybody hears of it. The plain fan-out writes nothing down.
- `memory-tcp`, `memory-websocket`: what the server's process grows by. nymead takes 64 KB.
- `idle`, `logins-others`: beside the same server without that load.
- `users`: the list is kept as it was sent until a user changes. In `users-others` one user is changed before each
  call, so that it is read and written anew each time, page by page.
- `evaluate`: a thousand different questions, again and again. What a decision depends on is kept until anything about
  access changes; a question that is new since then takes a look at the store, which is a millisecond or so.
- `who`: the lock has 190 grants that reach it; all are read and decided for each call.
- `start`: a store of more than 16 MB is checked for damage after the start, not before.
"""


def main() -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 and say what differs")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    machine = results["machine"]
    when = (
        f"Measured on {results['date']} with version {results['version']}, {machine['system']},"
        f" {machine['processors']} processors, Python {machine['python']}."
    )
    text = PAGE_TEXT % {"when": when, "repetitions": results["repetitions"], "table": markdown(results)}
    files = {PAGE: text, CHART: chart(results)}
    return settle(files, check=parser.parse_args().check, command="python scripts/gen_performance.py")


if __name__ == "__main__":
    sys.exit(main())
