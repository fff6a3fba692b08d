"""Twelve predictions on trial: verdicts, intervals against their pass regions, and what rival explanations say.

Claim: which parts of the theory of circuit efficiency stand, fall, or are undecided, and which rivals would have said so.
Source: experiments.md 4 and 6; validate's verdicts and rivals.
"""

import math
import textwrap

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from .verdicts import ABOUT, VERDICT_COLOURS, VERDICT_MARKS, Number, Verdicts, short

DATA = {"validate/{profile}/verdicts.json": "make data"}
REGION = "#dbe7f0"
# What an explanation says, as a sign.
STANCES = {"predicts": "+", "opposite": "−", "allows": "○", "silent": ""}

CAPTION = (
    """
Rows: the predictions, fixed with their pass rules before the runs, {confirmed} confirmed, {refuted} refuted,
{inconclusive} inconclusive. Glyphs: each criterion's estimate with its 95 % interval over seeds, on an axis of its
own, over its pass region (shaded); a bar that reaches the edge has no end there; nothing: not measured. From above,
{criteria}. A prediction is confirmed if all its intervals lie within their regions, refuted if one lies wholly
outside. Right: what explanations of grokking say of it; + predicts, − predicts the opposite, ○ allows either, blank:
silent; a filled cell is one that the verdict contradicts. P1 to P4 as the paper's authors read the others, P5 to P10
as this project does. {rivals} n = {n} runs. """
    + ABOUT
)


def _glyph(axes: Axes, y: float, found: Number, region: tuple[float, float], verdict: str) -> None:
    """An interval over its region, between 0 and 1 on an axis of its own."""
    low, high = region
    ends = [x for x in (low, high, found.low, found.high, found.value) if math.isfinite(x)]
    reach = max(ends) - min(ends) or max(map(abs, ends)) or 1.0
    start, end = min(ends) - 0.2 * reach, max(ends) + 0.2 * reach

    def place(x: float) -> float:
        return (min(max(x, start), end) - start) / (end - start)

    axes.add_patch(Rectangle((place(low), y - 0.36), place(high) - place(low), 0.72, fc=REGION, ec="none"))
    if found.exists:
        colour = VERDICT_COLOURS[verdict]
        axes.plot([place(found.low), place(found.high)], [y, y], color=colour, lw=1.3, solid_capstyle="butt")
        face = "w" if verdict == "inconclusive" else colour
        axes.plot(place(found.value), y, VERDICT_MARKS[verdict], ms=4, color=colour, mfc=face, mec=colour)


def _region(low: float, high: float) -> str:
    """The pass region in a few signs."""
    if math.isinf(low):
        return f"below {short(high)}"
    return f"above {short(low)}" if math.isinf(high) else f"{short(low)} to {short(high)}"


def _rivals(axes: Axes, table: pd.DataFrame, places: dict[str, float], verdicts: Verdicts) -> int:
    """A column for each explanation; how many of its statements the verdicts contradict."""
    against, names = 0, list(dict.fromkeys(table.explanation))
    for row in table[table.prediction.isin(list(places))].itertuples():
        k, y, verdict = names.index(row.explanation), places[row.prediction], verdicts.verdict(row.prediction)
        wrong = (row.says, verdict) in (("predicts", "refuted"), ("opposite", "confirmed"))
        against += wrong
        if wrong:
            axes.add_patch(Rectangle((k - 0.42, y - 0.42), 0.84, 0.84, fc=VERDICT_COLOURS["refuted"], ec="none"))
        axes.text(k, y, STANCES[row.says], ha="center", va="center", fontsize=9, color="w" if wrong else "k")
    for k, name in enumerate(names):
        heading = textwrap.fill(name.partition(" (")[0], 24)
        axes.text(k, -0.65, heading, rotation=90, ha="center", va="bottom", fontsize=6.2, linespacing=1.0)
    axes.set_xlim(-0.6, max(len(names), 1) - 0.4)
    return against


def draw() -> tuple[Figure, dict[str, object]]:
    """Claims and verdicts, glyphs, rivals."""
    verdicts = Verdicts()
    predictions = verdicts.data["predictions"]
    rivals = verdicts.table("prediction", "explanation", "says")
    places, y = {}, 0.0
    fig = plt.figure(figsize=(7.0, 7.0))
    words, glyphs, values, columns = panels = fig.subplots(1, 4, sharey=True, width_ratios=(2.3, 0.8, 1.4, 1.3))
    for k, p in enumerate(predictions):
        entries, verdict = p["findings"] or p["criteria"], p["verdict"]
        rows = max(len(entries), 2.1)
        top, y = y, y + rows
        middle = top + 0.5 * rows - 0.5
        places[p["id"]] = middle
        for axes in panels:
            if k % 2 == 0:
                axes.axhspan(top - 0.5, y - 0.5, color="0.965", lw=0, zorder=0)
        claim = textwrap.wrap(p["claim"], 58)
        first = middle - 0.05 - 0.23 * len(claim)
        words.text(0.01, first, p["id"], va="center", fontweight="bold", fontsize=7.5)
        words.text(0.14, first, verdict, va="center", color=VERDICT_COLOURS[verdict], fontsize=7.5)
        words.text(0.01, first + 0.34, "\n".join(claim), va="top", fontsize=6, linespacing=1.05)
        for i, entry in enumerate(entries):
            place = top + i + 0.5 * (rows - len(entries))
            found = verdicts.number(p["id"], entry["criterion"]) if p["findings"] else Number()
            low, high = (float(x) for x in entry["region"])
            own = entry.get("verdict", "inconclusive")
            _glyph(glyphs, place, found, (low, high), own)
            values.text(0.02, place, short(found.value) if found.exists else "not measured", va="center", fontsize=6,
                        color=VERDICT_COLOURS[own])  # fmt: skip
            values.text(0.98, place, _region(low, high), va="center", ha="right", fontsize=6, color="0.35")
    against = _rivals(columns, rivals, places, verdicts)
    words.set(xlim=(0, 1), ylim=(y - 0.5, -4.6))
    values.set(xlim=(0, 1))
    headings = ((words, 0.01, "prediction", "left"), (glyphs, 0.5, "95 % interval", "center"))
    for axes, x, text, side in (*headings, (values, 0.02, "value", "left"), (values, 0.98, "region", "right")):
        axes.text(x, -0.65, text, ha=side, va="bottom", fontsize=6.5)
    glyphs.set(xlim=(-0.02, 1.02))
    for axes in panels:
        axes.set_axis_off()
    score = {name: sum(p["verdict"] == name for p in predictions) for name in VERDICT_COLOURS}
    handles = [
        Line2D([], [], color=c, marker=VERDICT_MARKS[v], ms=5, lw=1.3, mfc="w" if v == "inconclusive" else c, label=v)
        for v, c in VERDICT_COLOURS.items()
    ]
    handles += [Patch(color=REGION, label="pass region"), Patch(color=VERDICT_COLOURS["refuted"], label="contradicted")]
    fig.legend(handles=handles, loc="outside lower center", ncols=5)
    several = [
        f"{p['id']}: {', '.join(c['criterion'] for c in p['criteria'])}" for p in predictions if len(p["criteria"]) > 1
    ]
    says = (
        f"Contradicted statements: {against}."
        if len(rivals)
        else "Rival explanations are not in this file of verdicts."
    )
    return fig, score | {
        "n": verdicts.data["runs"],
        "rivals": says,
        "criteria": "; ".join(several),
    } | verdicts.numbers()
