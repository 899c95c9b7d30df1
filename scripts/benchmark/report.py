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


def markdown(results: dict[str, Any]) -> str:
    """The results as a table of a page: medians, and the whole span of what was measured."""
    lines = ["| What | nymead-users | Baseline | Ratio | Goal | |", "|---|---|---|---|---|---|"]
    for row in results["cases"]:
        ours, *others = row["contenders"]
        baselines = "<br>".join(f"{_own(other['name'])}: {_spread(other, '')}" for other in others)
        cells = (_title(row), _spread(ours, ""), baselines, _spread(row["ratio"], ""), _goal_of(row))
        lines.append(f"| {' | '.join(cells)} | {'met' if row['met'] else '**not met**'} |")
    return "\n".join(lines) + "\n"


#: The chart: pixels to the left of the bars, of a bar as long as its goal, and of the longest.
_LEFT, _ONE, _LONGEST = 190, 100, 430

_ID = "performance-title"


def chart(results: dict[str, Any]) -> str:
    """How far each case is from its goal, as an SVG: a bar that reaches the line meets it."""
    rows = results["cases"]
    bottom = 34 + 30 * len(rows)
    lines = [
        f'<svg viewBox="0 0 720 {bottom + 10}" role="img" aria-labelledby="{_ID}" xmlns="http://www.w3.org/2000/svg">',
        f'<title id="{_ID}">How many times better than its goal each measured case is</title>',
        f'<text class="small" x="{_LEFT + _ONE}" y="18" text-anchor="middle">the goal</text>',
    ]
    for position, row in enumerate(rows):
        times = _times(row)
        length = max(2, min(round(times * _ONE), _LONGEST))
        y = 28 + 30 * position
        lines += [
            f'<text x="{_LEFT - 12}" y="{y + 15}" text-anchor="end">{row["name"]}</text>',
            f'<rect class="box {"good" if row["met"] else "bad"}" x="{_LEFT}" y="{y}" width="{length}" height="20"/>',
            f'<text class="small" x="{_LEFT + length + 8}" y="{y + 14}">{times:.1f} times</text>',
        ]
    lines.append(f'<path class="line dashed" d="M{_LEFT + _ONE} 24V{bottom}"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _times(row: dict[str, Any]) -> float:
    """How many times better than its goal a case is; below 1 it is missed."""
    wanted, reached = row["goal"], row["reached"]
    return float(reached / wanted["at_least"] if wanted["at_least"] is not None else wanted["at_most"] / reached)


def _title(row: dict[str, Any]) -> str:
    return f"`{row['name']}` {row['title']}, {row['unit']}"


def _own(name: str) -> str:
    """What is the server itself in another state, without its name."""
    return name.removeprefix("nymead-users, ")


def _goal_of(row: dict[str, Any]) -> str:
    """The goal, and what it is about."""
    return f"{'ratio ' if row['goal']['of'] == 'ratio' else ''}{goal(row)}"
