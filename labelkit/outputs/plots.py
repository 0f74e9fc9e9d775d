"""Plots as inline SVG for a page (page.py), whose style sheet gives them their colours, light and dark.

Lengths across are shares of the width, so that letters keep their size on any screen. Every plot has a title
that is read aloud and every bar one that is shown where the pointer rests. Values that are not finite or
below zero are drawn as nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from numpy.typing import NDArray

from labelkit.outputs.page import compact, number, text

_ROW = 34  # of a bar with its name above it
_TALL = 170  # of a histogram without its axis
_LABEL = 36  # columns that a name may take
_SHADES = 8


def bars(rows: Sequence[tuple[str, float]], *, title: str, unit: str = "") -> str:
    """A bar for each name, in the order given, with its value."""
    most = max((_drawn(value) for _, value in rows), default=0.0)
    parts = []
    for k, (label, value) in enumerate(rows):
        y, said = k * _ROW, f"{number(value)} {unit}".strip()
        share = 100 * _drawn(value) / most if most else 0
        parts.append(
            f"<g><title>{text(label)}: {text(said)}</title>"
            f'<text x="0" y="{y + 15}">{text(_short(label, _LABEL))}</text>'
            f'<text class="n" x="100%" y="{y + 15}" text-anchor="end">{number(value)}</text>'
            f'<rect class="rail" x="0" y="{y + 21}" width="100%" height="6" rx="3"/>'
            f'<rect class="bar" x="0" y="{y + 21}" width="{share:.2f}%" height="6" rx="3"/></g>'
        )
    return _figure(title, unit, "".join(parts), f'width="100%" height="{len(rows) * _ROW}"', empty=not rows)


def histogram(
    edges: Sequence[float] | NDArray[Any],
    counts: Sequence[float] | NDArray[Any],
    *,
    title: str,
    unit: str = "",
    log: bool = False,
) -> str:
    """How many fall between each two neighbouring edges (one more than counts, ascending).

    unit: of the edges. log: whether the axis of the edges is logarithmic; they are above 0 then.
    """
    scale: Callable[[float], float] = math.log10 if log else float
    if len(counts) == 0 or not any(_drawn(count) for count in counts):
        return _figure(title, "", "", "", empty=True)
    low, high = scale(edges[0]), scale(edges[-1])
    at = [100 * (scale(edge) - low) / ((high - low) or 1) for edge in edges]
    levels = _ticks(0, max(_drawn(count) for count in counts), 3)
    top = max(levels[-1], max(_drawn(count) for count in counts))
    parts = []
    for count, left, right, first, last in zip(counts, at, at[1:], edges, edges[1:], strict=False):
        height = _TALL * _drawn(count) / top
        if height:
            said = f"{number(first)} to {number(last)} {unit}".strip()
            parts.append(
                f'<rect class="bar column" x="{left:.2f}%" y="{14 + _TALL - height:.1f}" '
                f'width="{right - left:.2f}%" height="{height:.1f}">'
                f"<title>{text(said)}: {number(count)}</title></rect>"
            )
    lines = "".join(_level(level, 14 + _TALL * (1 - level / top)) for level in levels)
    marks = _decades(float(edges[0]), float(edges[-1])) if log else _ticks(edges[0], edges[-1], 5)
    axis = "".join(_mark(mark, 100 * (scale(mark) - low) / ((high - low) or 1)) for mark in marks)
    return _figure(title, unit, lines + "".join(parts) + axis, f'width="100%" height="{_TALL + 36}"')


def heat_map(cells: NDArray[Any] | Sequence[Sequence[float]], *, title: str, unit: str = "") -> str:
    """Cells (h, w) of a frame, the darker the more; 0 stays blank."""
    grid = np.nan_to_num(np.asarray(cells, dtype=np.float64), nan=0, posinf=0, neginf=0)
    if grid.size == 0 or grid.max() <= 0:
        return _figure(title, "", "", "", empty=True)
    height, width = grid.shape
    shade = np.ceil(_SHADES * np.clip(grid, 0, None) / grid.max()).astype(int)
    paths = [_cells(shade == level, f"shade shade-{level}") for level in range(1, _SHADES + 1)]
    said = f"blank: 0, darkest: {number(float(grid.max()))} {unit}".strip()
    body = "".join(paths) + f'<rect class="frame" width="{width}" height="{height}"/>'
    return _figure(title, said, body, f'class="heat" viewBox="-0.2 -0.2 {width + 0.4} {height + 0.4}"')


def matrix(names: Sequence[str], cells: NDArray[Any] | Sequence[Sequence[float]], *, title: str) -> str:
    """How often each two of some names occur together (n, n). Shades compare what is off the diagonal."""
    grid = np.nan_to_num(np.asarray(cells, dtype=np.float64), nan=0, posinf=0, neginf=0)
    if not names:
        return _figure(title, "", "", "", empty=True)
    apart = grid[~np.eye(len(names), dtype=bool)]
    most = max(float(apart.max(initial=0)), 1.0)
    side, margin = 34, 8 * max(_columns(_short(each, 18)) for each in names) + 12
    parts = []
    for k, row_name in enumerate(names):
        label, at = text(_short(row_name, 18)), margin + side * k + side / 2
        parts.append(f'<text x="{margin - 8}" y="{at + 4:g}" text-anchor="end">{label}</text>')
        parts.append(f'<text transform="translate({at + 4:g} {margin - 8}) rotate(-90)">{label}</text>')
        for j, column_name in enumerate(names):
            parts.append(_together(float(grid[k, j]), most, (k, j), (row_name, column_name), (side, margin)))
    whole = margin + side * len(names) + 1
    return _figure(title, "", "".join(parts), f'width="{whole}" height="{whole}"', scrolls=True)


def _together(
    count: float, most: float, place: tuple[int, int], names: tuple[str, str], sizes: tuple[int, int]
) -> str:
    (row, column), (side, margin) = place, sizes
    level = min(_SHADES, math.ceil(_SHADES * math.sqrt(_drawn(count) / most)))
    kind = "own" if row == column else f"shade shade-{level}" if level else "none"
    said = names[0] if row == column else f"{names[0]} with {names[1]}"
    x, y = margin + side * column, margin + side * row
    strong = " over" if level > _SHADES // 2 and row != column else ""
    label = (
        f'<text class="cell{strong}" x="{x + 17}" y="{y + 21}" text-anchor="middle">{compact(count)}</text>'
    )
    return (
        f"<g><title>{text(said)}: {number(count)}</title>"
        f'<rect class="{kind}" x="{x}" y="{y}" width="{side - 1}" height="{side - 1}" rx="3"/>'
        f"{label if count else ''}</g>"
    )


# --- parts of a plot ---------------------------------------------------------------------------------------


def _figure(
    title: str, note: str, body: str, shape: str, *, empty: bool = False, scrolls: bool = False
) -> str:
    said = f' <span class="unit">{text(note)}</span>' if note else ""
    head = f"<figcaption>{text(title)}{said}</figcaption>"
    if empty:
        return f'<figure>{head}<p class="nothing">Nothing to show.</p></figure>\n'
    plot = f'<svg role="img" aria-label="{text(title)}" {shape}>{body}</svg>'
    return f"<figure>{head}{f'<div class=wide>{plot}</div>' if scrolls else plot}</figure>\n"


def _level(value: float, y: float) -> str:
    line = f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text class="axis" x="100%" y="{y - 4:.1f}" text-anchor="end">{compact(value)}</text>'


def _mark(value: float, share: float) -> str:
    anchor = "start" if share < 4 else "end" if share > 96 else "middle"
    return (
        f'<text class="axis" x="{share:.2f}%" y="{_TALL + 31}" text-anchor="{anchor}">{compact(value)}</text>'
    )


def _cells(chosen: NDArray[np.bool_], kind: str) -> str:
    """The chosen cells as one path, neighbours of a row joined."""
    steps = []
    for y, row in enumerate(chosen):
        changes = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
        steps += [f"M{x} {y}h{end - x}v1h{x - end}z" for x, end in changes.reshape(-1, 2).tolist()]
    return f'<path class="{kind}" d="{"".join(steps)}"/>' if steps else ""


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from low to high, about so many steps."""
    raw = (high - low) / about
    if not raw > 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)] or [low]


def _decades(low: float, high: float) -> list[float]:
    """The powers of ten from low to high; both ends, where those are fewer than two."""
    powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    return [10.0**k for k in powers] if len(powers) > 1 else [low, high]


def _drawn(value: float) -> float:
    return float(value) if math.isfinite(value) and value > 0 else 0.0


def _columns(said: str) -> int:
    return sum(2 if east_asian_width(each) in "WF" else 1 for each in said)


def _short(said: str, most: int) -> str:
    """The start of a name that is too long, and that it goes on."""
    if _columns(said) <= most:
        return said
    kept = said[: most - 1]
    while _columns(kept) > most - 1:
        kept = kept[:-1]
    return kept + "…"
