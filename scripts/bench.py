"""Measure the server beside raw baselines, on this machine, in one run.

Each case is measured side by side with the least that could do the same work: the same transport and the same bytes,
each request parsed, the same reply, and nothing else. Server and load are processes of their own. After one round to
warm up, every repetition measures the server and its baselines one after the other, since machines drift; the ratios
are what can be compared from machine to machine.

python scripts/bench.py                      all cases, some minutes
python scripts/bench.py --only tcp --only one
python scripts/bench.py --quick              is anything broken? a tenth of everything, no sound numbers
python scripts/bench.py --json results.json  keep the results, every sample included
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import uvloop
from benchmark.cases import CASES
from benchmark.measuring import Bench
from benchmark.report import goal, table

from nymead_users import __version__

#: How long a sample is taken, in seconds, and how often.
SECONDS, REPETITIONS = 1.0, 5


def main() -> int:
    """Do what the command line says; the exit code."""
    options = _options()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Thousands of connections are open at once, here and in the servers, which inherit this.
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = uvloop.run(_run(options))
    print(table(results))
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    names = [case.name for case in CASES]
    about, _, examples = (__doc__ or "").partition("\n\npython ")
    listed = "\n".join(f"  {case.name:<17} {case.title}" for case in CASES)
    parser = argparse.ArgumentParser(
        description=about,
        epilog=f"cases:\n{listed}\n\nexamples:\n  python " + examples.replace("\n", "\n  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", metavar="CASE", action="append", choices=names, help="measure this case; may be given several times"
    )
    parser.add_argument("--quick", action="store_true", help="short samples of small stores: shows that it runs")
    parser.add_argument("--repetitions", metavar="N", type=int, default=None, help=f"samples of each, {REPETITIONS}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results, every sample included")
    return parser.parse_args()


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    chosen = [case for case in CASES if not options.only or case.name in options.only]
    repetitions = options.repetitions or (2 if options.quick else REPETITIONS)
    rows = []
    with tempfile.TemporaryDirectory(prefix="nymead-users-bench-") as folder:
        bench = Bench(Path(folder), SECONDS / 10 if options.quick else SECONDS, repetitions, options.quick)
        for position, case in enumerate(chosen, 1):

            def tell(doing: str, heading: str = f"[{position}/{len(chosen)}] {case.name}") -> None:
                end = "\r" if sys.stderr.isatty() else "\n"
                print(f"{heading}: {doing}".ljust(79), end=end, file=sys.stderr, flush=True)

            row = await bench.measure(case, tell)
            tell(f"{row['reached']:g} (goal {goal(row)})")
            if sys.stderr.isatty():
                print(file=sys.stderr)
            rows.append(row)
    return {
        "version": __version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processors": os.cpu_count(),
            "python": platform.python_version(),
        },
        "quick": options.quick,
        "repetitions": repetitions,
        "seconds": bench.seconds,
        "cases": rows,
    }


if __name__ == "__main__":
    sys.exit(main())
