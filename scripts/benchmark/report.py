"""The results, told: as a table in the terminal."""

from __future__ import annotations

from typing import Any


def table(results: dict[str, Any]) -> str:
    """The results as lines for a terminal."""
    rows = [("case", "nymead-users", "baseline", "ratio", "goal", "met")]
    for row in results["cases"]:
        ours, baseline = row["contenders"][:2]
        rows.append(
            (
                row["name"],
                _spread(ours, row["unit"]),
                f"{baseline['name']}: {_spread(baseline, row['unit'])}",
                _spread(row["ratio"], ""),
                goal(row),
                "yes" if row["met"] else "NO",
            )
        )
        rows += [
            ("", "", f"{other['name']}: {_spread(other, row['unit'])}", "", "", "") for other in row["contenders"][2:]
        ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def goal(row: dict[str, Any]) -> str:
    """The goal in words."""
    wanted = row["goal"]
    bound = f"≥ {wanted['at_least']:g}" if wanted["at_least"] is not None else f"≤ {wanted['at_most']:g}"
    return bound if wanted["of"] == "ratio" else f"{bound} {row['unit']}"


def number(value: float) -> str:
    """A number for people: grouped where it is large."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _spread(summary: dict[str, Any], unit: str) -> str:
    text = f"{number(summary['median'])} ({number(summary['low'])} to {number(summary['high'])})"
    return f"{text} {unit}".rstrip()
