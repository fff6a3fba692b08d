"""Which parts of the theory stand: every prediction under both protocols, its intervals against its pass regions.

Claim: what is confirmed, what is refuted and what is undecided, in one picture, the negative results as large as the
others.
Source: validate/README.md, which says of each rule when it was stated.
"""

import math

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from validate.prediction import Column, Finding
from validate.words import number_words

from ..palette import PROTOCOLS, VERDICTS
from ..study import Study
from ..verdicts import typeset

DATA = ("verdicts.json", "base/ungrokking.nc")
REGION = "#E2E6EC"
MARKS = {"confirmed": "o", "refuted": "X", "inconclusive": "o", "not tested": ""}
LINE = 0.52  # height of a line of a claim, in rows of numbers

CAPTION = """
{confirmed} confirmed, {refuted} refuted, {inconclusive} inconclusive of {n_predictions} predictions; the protocol
with a bar decides. Each mark is an estimate with its 95 % interval over seeds on an axis of its own, with two ticks, over
its pass region (shaded). A prediction is confirmed if all its intervals lie inside, refuted if one lies wholly outside;
too few seeds or networks that still move decide nothing. n = {n} runs.
"""


def _glyph(axes: Axes, y: float, finding: Finding) -> None:
    """An interval over its region, between 0 and 1 on an axis of its own."""
    found, low, high = finding.estimate.interval, finding.criterion.low, finding.criterion.high
    ends = [x for x in (low, high, found.low, found.high, found.value) if math.isfinite(x)]
    reach = max(ends) - min(ends) or max(map(abs, ends)) or 1.0
    start, end = min(ends) - 0.2 * reach, max(ends) + 0.2 * reach

    def place(x: float) -> float:
        return (min(max(x, start), end) - start) / (end - start)

    axes.add_patch(Rectangle((place(low), y - 0.3), place(high) - place(low), 0.5, fc=REGION, ec="none"))
    ticks = [x for x in MaxNLocator(3, steps=[1, 2, 5, 10]).tick_values(start, end) if start <= x <= end]
    axes.plot([0, 1], [y + 0.2, y + 0.2], color="0.75", lw=0.4, zorder=0)
    for x in (ticks[0], ticks[-1]):
        axes.plot([place(x)] * 2, [y + 0.2, y + 0.28], color="0.5", lw=0.5)
        axes.text(place(x), y + 0.3, number_words(x), fontsize=3.8, ha="center", va="top", color="0.4")
    if found.exists:
        colour = VERDICTS[finding.verdict]
        axes.plot([place(found.low), place(found.high)], [y - 0.05] * 2, color=colour, lw=1.3, solid_capstyle="butt")
        face = "w" if finding.verdict == "inconclusive" else colour
        axes.plot(place(found.value), y - 0.05, MARKS[finding.verdict], ms=3.6, color=colour, mfc=face, mec=colour)


def _column(axes: Axes, text: Axes, top: float, height: float, column: Column, claimed: bool) -> None:
    """The glyphs and numbers of one protocol, from `top` down."""
    for k, finding in enumerate(column.findings):
        y = top + k + 0.5 * (height - len(column.findings))
        found = finding.estimate
        _glyph(axes, y, finding)
        value = number_words(round(found.value, 3)) if found.exists else "–"
        text.text(0.0, y, value, va="center", fontsize=6, color=VERDICTS[finding.verdict])
        rule = finding.criterion.rule
        text.text(1.0, y, rule, va="center", ha="right", fontsize=5.6 if len(rule) < 16 else 4.8, color="0.4")
    if not column.findings:
        words = "not tested" if claimed else "not claimed"
        axes.text(0.5, top + 0.5 * height - 0.5, words, ha="center", va="center", fontsize=5.8, color="0.55")


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Claims and verdicts, then a column of glyphs and one of numbers for each protocol."""
    verdicts, judged = study.verdicts, study.verdicts.judged
    claims = {v.id: typeset(v.claim, 52) for v in judged.verdicts}
    heights = {
        v.id: max(*(len(c.findings) for c in v.columns.values()), 1 + LINE * (1 + claims[v.id].count("\n")))
        for v in judged.verdicts
    }
    total = sum(heights.values())
    fig = plt.figure(figsize=(7.0, 0.75 + 0.205 * total))
    words, *panels = fig.subplots(1, 5, sharey=True, width_ratios=(2.6, 0.8, 1.0, 0.8, 1.0))
    top = 0.0
    for k, v in enumerate(judged.verdicts):
        height = heights[v.id]
        if k % 2 == 0:
            for axes in (words, *panels):
                axes.axhspan(top - 0.5, top + height - 0.5, color="0.965", lw=0, zorder=0)
        words.text(0.01, top, v.id, va="center", fontweight="bold", fontsize=7)
        words.text(0.13, top, v.verdict, va="center", color=VERDICTS[v.verdict], fontsize=7)
        words.text(0.01, top + 0.4, claims[v.id], va="top", fontsize=5.8, linespacing=1.05)
        for j, protocol in enumerate(PROTOCOLS):
            column, claimed = v.column(protocol), protocol not in v.prediction.unclaimed
            for finding in column.findings:
                verdicts.number(v.id, finding.criterion.name, protocol)
            _column(panels[2 * j], panels[2 * j + 1], top, height, column, claimed)
            if protocol == v.decides:
                panels[2 * j].plot([-0.06, -0.06], [top - 0.3, top + height - 0.7], color=PROTOCOLS[protocol], lw=2.2,
                                   solid_capstyle="butt", clip_on=False)  # fmt: skip
        top += height
    words.set(xlim=(0, 1), ylim=(top - 0.5, -1.1))
    for j, protocol in enumerate(PROTOCOLS):
        panels[2 * j].text(0.0, -0.75, protocol, fontsize=7, fontweight="bold", color=PROTOCOLS[protocol], va="center")
        panels[2 * j + 1].text(0.0, -0.75, "value", fontsize=6, va="center")
        panels[2 * j + 1].text(1.0, -0.75, "region", fontsize=6, va="center", ha="right")
    for axes in (words, *panels):
        axes.set_axis_off()
    for axes in panels:
        axes.set_xlim(-0.02, 1.02)
    handles = [Line2D([], [], color=c, marker=MARKS[word], ms=5, lw=1.3, mfc="w" if word == "inconclusive" else c,
                      label=word) for word, c in VERDICTS.items() if word != "not tested"]  # fmt: skip
    handles += [Patch(color=REGION, label="pass region"), Line2D([], [], color="0.3", lw=2.2, label="decides")]
    fig.legend(handles=handles, loc="outside lower center", ncols=5)
    return fig, judged.score | {"n": judged.finished, "n_predictions": len(judged.verdicts)}
