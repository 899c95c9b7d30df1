"""The benchmark runs. How fast anything is, no test says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent.parent / "scripts" / "bench.py"


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark."""
    command = [sys.executable, str(BENCH), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_case_is_measured_beside_its_baseline(tmp_path: Path) -> None:
    """A run says what it does, prints a table, and writes every sample, the goal and whether it is met."""
    pytest.importorskip("aiorpcx", reason="installed by make bench")
    file = tmp_path / "results.json"
    done = bench("--quick", "--only", "one", "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert "[1/1] one: warming up" in done.stderr
    assert done.stdout.startswith("case ")
    results = json.loads(file.read_text())
    (row,) = results["cases"]
    assert results["quick"] is True
    assert row["name"] == "one"
    assert [contender["name"] for contender in row["contenders"]][:2] == ["nymead-users", "asyncio streams"]
    for contender in row["contenders"]:
        assert len(contender["samples"]) == results["repetitions"]
        assert 0 < contender["low"] <= contender["median"] <= contender["high"]
    assert row["goal"] == {"of": "ratio", "at_least": 0.7, "at_most": None}
    assert row["met"] is (row["reached"] >= 0.7)


def test_the_site_shows_a_whole_run() -> None:
    """The run on the site has every case with its present goal, of full length and with enough repetitions."""
    pytest.importorskip("aiorpcx", reason="installed by make bench")
    listed = bench("--help").stdout.partition("cases:\n")[2].partition("\n\n")[0]
    names = [line.split()[0] for line in listed.splitlines()]
    results = json.loads((BENCH.parent.parent / "docs" / "assets" / "bench.json").read_text())
    assert [row["name"] for row in results["cases"]] == names
    assert results["quick"] is False
    assert all(len(contender["samples"]) >= 5 for row in results["cases"] for contender in row["contenders"])


def test_an_unknown_case_is_refused_with_the_known_ones() -> None:
    """Whoever mistypes a case sees what there is."""
    pytest.importorskip("aiorpcx", reason="installed by make bench")
    done = bench("--only", "tpc")
    assert done.returncode == 2
    assert "'tcp'" in done.stderr
