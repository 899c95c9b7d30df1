"""The page of promises names tests that are there."""

from __future__ import annotations

import re

from pages import DOCS, ROOT


def test_each_promise_has_its_test() -> None:
    """Every promise names a test; all of them exist, and no story of robustness, fuzzing or attackers is left out."""
    page = (DOCS / "operate" / "robustness.md").read_text()
    promises = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| Promise ")]
    named = set()
    for promise in promises:
        shown = re.fullmatch(r"\| .+ \| `([a-z0-9_/]+\.py)::(test_\w+)` \|", promise)
        assert shown, promise
        source = (ROOT / "tests" / shown[1]).read_text()
        assert re.search(rf"^(async )?def {shown[2]}\(", source, re.MULTILINE), promise
        named.add(shown[2])
    assert len(named) == len(promises)
    told = [*(ROOT / "tests").glob("robustness/test_*.py"), *(ROOT / "tests").glob("fuzz/test_*.py")]
    told.append(ROOT / "tests" / "security" / "test_many_attackers.py")
    stories = "".join(path.read_text() for path in told)
    assert set(re.findall(r"^(?:async )?def (test_\w+)", stories, re.MULTILINE)) <= named
