"""An interval drawn against its region of confirmation: one line of a forest plot, as SVG to stand in a table.

Each number has its own unit, so each line has its own axis. It spans the interval and the finite ends of the region with
a margin; where the region has no end, its shade runs to the edge. Verdicts have colours that colour-blind readers tell
apart (blue, dark red, olive), a mark of their own, and words beside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

from validate.prediction import CONFIRMED, INCONCLUSIVE, REFUTED
from validate.verdicts import interval_words, number, number_words, region_words

__all__ = ["COLOURS", "svg"]

COLOURS = {CONFIRMED: "#004488", REFUTED: "#a03045", INCONCLUSIVE: "#7a5c00"}
REGION = "#cfe0ee"
WIDTH, HEIGHT, MIDDLE, EDGE = 220, 40, 13, 10


def _window(low: float, high: float, value: float, ends: tuple[float, float]) -> tuple[float, float]:
    """Least and greatest number on the axis."""
    there = [x for x in (low, high, value, *ends) if math.isfinite(x)]
    if not there:
        return -1.0, 1.0
    reach = max(there) - min(there) or max(map(abs, there), default=1.0) or 1.0
    return min(there) - 0.2 * reach, max(there) + 0.2 * reach


def _mark(verdict: str, x: float) -> str:
    """Disc, cross or ring."""
    colour = COLOURS[verdict]
    if verdict == CONFIRMED:
        return f'<circle cx="{x:.1f}" cy="{MIDDLE}" r="4.5" fill="{colour}"/>'
    if verdict == INCONCLUSIVE:
        return f'<circle cx="{x:.1f}" cy="{MIDDLE}" r="4" fill="white" stroke="{colour}" stroke-width="2"/>'
    a, b, c, d = x - 4.5, x + 4.5, MIDDLE - 4.5, MIDDLE + 4.5
    path = f"M{a:.1f} {c}L{b:.1f} {d}M{a:.1f} {d}L{b:.1f} {c}"
    return f'<path d="{path}" stroke="{colour}" stroke-width="3" fill="none"/>'


def svg(finding: Mapping[str, Any]) -> str:
    """The finding's interval over its region; "" where nothing was measured."""
    low, high = (number(x) for x in finding["region"])
    left, right = (number(x) for x in finding["interval"])
    value, verdict = number(finding["value"]), finding["verdict"]
    if math.isnan(value):
        return ""
    start, end = _window(low, high, value, (left, right))

    def place(x: float) -> float:
        inside = min(max(x, start), end)
        return EDGE + (inside - start) / (end - start) * (WIDTH - 2 * EDGE)

    label = escape(f"{interval_words(finding)}; region {region_words(finding)}; {verdict}", quote=True)
    a = 0.0 if math.isinf(low) else place(low)
    b = WIDTH if math.isinf(high) else place(high)
    parts = [
        f'<svg class="forest" role="img" aria-label="{label}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}">',
        f'<rect x="{a:.1f}" y="1" width="{max(b - a, 1.0):.1f}" height="{2 * MIDDLE - 2}" fill="{REGION}"/>',
        f'<line x1="0" x2="{WIDTH}" y1="{2 * MIDDLE}" y2="{2 * MIDDLE}" stroke="#888"/>',
    ]
    texts: list[float] = []
    for x, text in ((place(e), number_words(e)) for e in (low, high) if math.isfinite(e)):
        at = min(max(x, 3.2 * len(text)), WIDTH - 3.2 * len(text))
        if texts and at - texts[-1] < 7 * len(text):
            # Two ends too near for two labels: they flank their places.
            at = min(texts[-1] + 7 * len(text), WIDTH - 3.2 * len(text))
        texts.append(at)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="1" y2="{2 * MIDDLE + 3}" stroke="#5b7f9c"/>')
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - 2}" text-anchor="middle" font-size="10.5">{escape(text)}</text>')
    if not (math.isnan(left) or math.isnan(right)):
        x1 = place(left) if math.isfinite(left) else 0.0
        x2, colour = place(right) if math.isfinite(right) else WIDTH, COLOURS[verdict]
        parts.append(
            f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{MIDDLE}" y2="{MIDDLE}" stroke="{colour}" stroke-width="2.5"/>'
        )
        # A finite end has a cap, an infinite one runs out of the picture.
        for x, finite in ((x1, math.isfinite(left)), (x2, math.isfinite(right))):
            if finite:
                ends = f'y1="{MIDDLE - 5}" y2="{MIDDLE + 5}"'
                parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" {ends} stroke="{colour}" stroke-width="2"/>')
    return "".join([*parts, _mark(verdict, place(value)), "</svg>"])
