"""Charts as SVG text, quick enough to be drawn anew for every move of a slider.

A chart is 420 × 232 units and scales with its column; text is 12 units.  Circuits, data sets and behaviours have the
colours that they have in every figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..parameters import FloatArray

WIDTH, HEIGHT = 420, 232
LEFT, RIGHT, TOP, BOTTOM = 58, 20, 28, 40
INK, FAINT = "#333", "#e3e3e3"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Axis:
    """A labelled axis from `low` to `high`; `log` spaced or not."""

    label: str
    low: float
    high: float
    log: bool = False

    def place(self, values: npt.ArrayLike) -> FloatArray:
        """Fractions of the axis' length at which `values` lie."""
        x, ends = np.asarray(values, float), np.array([self.low, self.high])
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                x, ends = np.log(x), np.log(ends)
        return np.asarray((x - ends[0]) / (ends[1] - ends[0]))

    def value(self, fraction: float) -> float:
        """The value at a fraction of the axis' length."""
        share = min(max(fraction, 0.0), 1.0)
        if self.log:
            return float(self.low ** (1.0 - share) * self.high**share)
        return float(self.low + share * (self.high - self.low))

    def values(self, count: int) -> FloatArray:
        """`count` values from end to end, spaced as the axis is."""
        return np.geomspace(self.low, self.high, count) if self.log else np.linspace(self.low, self.high, count)

    def ticks(self) -> list[tuple[float, str]]:
        """Values with their texts: about five."""
        if not self.log:
            from matplotlib.ticker import MaxNLocator

            found = MaxNLocator(nbins=5).tick_values(self.low, self.high)
            return [(float(v), f"{v:.6g}") for v in found if self.low <= v <= self.high * (1.0 + 1e-12)]
        first, last = np.ceil(np.log10(self.low) - 1e-9), np.floor(np.log10(self.high) + 1e-9)
        if last - first < 1:
            spots = [m * 10.0**k for k in range(int(first) - 1, int(last) + 1) for m in (1, 2, 5)]
            return [(v, f"{v:g}") for v in spots if self.low <= v <= self.high]
        stride = int(np.ceil((last - first + 1) / 6))
        return [(10.0**k, power(int(k))) for k in np.arange(last, first - 0.5, -stride)[::-1]]


def power(exponent: int) -> str:
    """10^exponent as a label."""
    return f"{10.0**exponent:g}" if -2 <= exponent <= 3 else "10" + str(exponent).translate(SUPERSCRIPT)


def around(label: str, *values: FloatArray, log: bool = False, low: float | None = None) -> Axis:
    """An axis that holds all finite `values`, with room for a mark's word above; ends move in steps, not with each value."""
    flat = np.concatenate([np.ravel(v) for v in values])
    flat = flat[np.isfinite(flat) & ((flat > 0.0) | (not log))]
    if flat.size == 0:
        return Axis(label, 0.1 if log else 0.0, 1.0, log)
    bottom, top = float(flat.min()) if low is None else low, float(flat.max())
    if log:
        top = 10.0 ** (np.ceil(2.0 * np.log10(top) + 0.6) / 2.0)
        bottom = max(10.0 ** np.floor(np.log10(bottom)), 1e-12 * top)
        return Axis(label, min(bottom, 0.1 * top), top, log)
    top = max(top, bottom + 1e-9)
    step = 10.0 ** np.floor(np.log10(top - bottom)) / 2.0
    return Axis(label, bottom if low is not None else step * np.floor(bottom / step), step * np.ceil(1.2 * top / step))


@dataclass(frozen=True)
class Line:
    """A curve x (k,), y (k,); a name goes into the legend.  `dash` as in SVG."""

    x: FloatArray
    y: FloatArray
    colour: str
    name: str = ""
    dash: str = ""
    width: float = 2.0


@dataclass(frozen=True)
class Mark:
    """A vertical line at x with a word at its top."""

    x: float
    word: str


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Line], marks: Sequence[Mark] = ()) -> str:
    """Curves over common axes."""
    body = [
        f'<line x1="{_x(x, m.x):.1f}" x2="{_x(x, m.x):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#999" '
        f'stroke-dasharray="2 3"/>'
        for m in marks
        if x.low <= m.x <= x.high
    ]
    body += [_path(x, y, line) for line in lines]
    legend = [(line.name, line.colour, line.dash) for line in lines if line.name]
    return _frame(title, x, y, "".join(body), _words(x, marks) + _legend(legend))


def phase(
    title: str,
    x: Axis,
    y: Axis,
    names: npt.NDArray[np.str_],
    colours: dict[str, str],
    here: tuple[float, float],
    border: float | None,
) -> str:
    """Behaviours (rows of y from below, columns of x) as areas, `here` marked; can be clicked.  border: an x, dashed."""
    rows, columns = names.shape
    w, h = (WIDTH - LEFT - RIGHT) / columns, (HEIGHT - TOP - BOTTOM) / rows
    cells = []
    for row in range(rows):
        edges = [0, *(np.flatnonzero(names[row, 1:] != names[row, :-1]) + 1).tolist(), columns]
        for first, last in pairwise(edges):
            # A little overlap closes the hairlines between areas.
            cells.append(
                f'<rect x="{LEFT + first * w:.1f}" y="{HEIGHT - BOTTOM - (row + 1) * h:.1f}" '
                f'width="{(last - first) * w + 0.5:.1f}" height="{h + 0.5:.1f}" fill="{colours[str(names[row, first])]}"/>'
            )
    if border is not None and x.low <= border <= x.high:
        at = _x(x, border)
        cells.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{INK}" '
            f'stroke-dasharray="5 3"/><text x="{at + 4:.1f}" y="{TOP + 13}" fill="{INK}">D_crit</text>'
        )
    cx, cy = _x(x, here[0]), _y(y, here[1])
    cells.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="6" fill="white" stroke="black" stroke-width="2.5"/>')
    over = (
        f'<rect data-area="1" x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" '
        f'fill="transparent" style="cursor:crosshair"><title>Click: the sliders move here</title></rect>'
    )
    return _frame(title, x, y, "".join(cells), over)


def _x(axis: Axis, value: float) -> float:
    return LEFT + float(np.clip(axis.place(value), 0.0, 1.0)) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - float(np.clip(axis.place(value), 0.0, 1.0)) * (HEIGHT - TOP - BOTTOM)


def _path(x: Axis, y: Axis, line: Line) -> str:
    across, up = x.place(line.x), y.place(line.y)
    there = np.isfinite(across) & np.isfinite(up) & (across >= 0.0) & (across <= 1.0)
    if not there.any():
        return ""
    px = LEFT + across[there] * (WIDTH - LEFT - RIGHT)
    # What leaves the frame leaves it by the next pixel rows, and the frame cuts it off.
    py = HEIGHT - BOTTOM - np.clip(up[there], -0.02, 1.02) * (HEIGHT - TOP - BOTTOM)
    points = " ".join(map("%.1f,%.1f".__mod__, zip(px.tolist(), py.tolist(), strict=True)))
    dash = f' stroke-dasharray="{line.dash}"' if line.dash else ""
    return f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="{line.width}"{dash}/>'


def _words(x: Axis, marks: Sequence[Mark]) -> str:
    """The marks' words under the frame's top edge, one below the other where they would touch."""
    text, ends = [], [-np.inf, -np.inf, -np.inf]
    for mark in sorted(marks, key=lambda m: m.x):
        if not x.low <= mark.x <= x.high:
            continue
        length = 6.5 * len(mark.word) + 6
        right = _x(x, mark.x) + length > WIDTH - RIGHT
        begin = _x(x, mark.x) - (length if right else 0)
        row = next((k for k, end in enumerate(ends) if begin > end), len(ends) - 1)
        ends[row] = begin + length
        at = _x(x, mark.x) + (-3 if right else 3)
        text.append(
            f'<text x="{at:.1f}" y="{TOP + 12 + 13 * row}" font-size="11" fill="#555" stroke="white" '
            f'stroke-width="3" paint-order="stroke" '
            f'text-anchor="{"end" if right else "start"}">{mark.word}</text>'
        )
    return "".join(text)


def _legend(entries: Sequence[tuple[str, str, str]]) -> str:
    """In the title's line, from the right."""
    parts, end = [], float(WIDTH - RIGHT)
    for name, colour, dash in reversed(entries):
        begin = end - 7.5 * len(name) - 5
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(
            f'<line x1="{begin - 24:.1f}" x2="{begin - 5:.1f}" y1="13" y2="13" stroke="{colour}" stroke-width="2.5"'
            f'{dashed}/><text x="{begin:.1f}" y="17" fill="{INK}">{escape(name)}</text>'
        )
        end = begin - 36
    return "".join(parts)


def _frame(title: str, x: Axis, y: Axis, body: str, over: str) -> str:
    """The SVG: title, grid, `body` cut off at the frame, tick labels, `over` on top."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    grid, labels = [], []
    for value, text in x.ticks():
        at = _x(x, value)
        grid.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}" stroke="{FAINT}"/>')
        labels.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    for value, text in y.ticks():
        at = _y(y, value)
        grid.append(f'<line x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" stroke="{FAINT}"/>')
        labels.append(f'<text x="{LEFT - 6}" y="{min(at + 4, bottom):.1f}" text-anchor="end">{text}</text>')
    middle = (TOP + bottom) / 2
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}" font-size="12" fill="{INK}" '
        f'font-family="system-ui, sans-serif"><text x="4" y="17" font-weight="600">{escape(title)}</text>'
        f'{"".join(grid)}<svg x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" '
        f'viewBox="{LEFT} {TOP} {right - LEFT} {bottom - TOP}">{body}</svg>'
        f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" fill="none" stroke="#bbb"/>'
        f'{"".join(labels)}<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.label)}</text>'
        f'<text transform="translate(13 {middle}) rotate(-90)" text-anchor="middle">{escape(y.label)}</text>{over}</svg>'
    )
