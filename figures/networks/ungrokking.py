"""Grokked networks forget below a critical size, where their measured efficiencies meet (paper, figure 4).

Claim: a net that has grokked loses it when it goes on with fewer than D_crit pairs; at rest (coupled) the place does
not depend on weight decay, and the paper's own size, p = 113, does as the small one. From scratch it takes far more.
Source: Varma et al. 2023, figures 4 and 7; P2, P3, P7 and P8a of validate.
"""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..lines import critical, decay_name, medians, middle, number_axis, thresholds
from ..palette import CRITICAL, GREY, decay_colours
from ..study import Study
from ..verdicts import number

DATA = ("verdicts.json", "base/ungrokking.nc", "base/ungrokking_coupled.nc")
ALSO = ("p113/ungrokking_coupled.nc", "p113/scratch_coupled.nc")
PANELS = {
    "coupled penalty": ("base/ungrokking_coupled",),
    "AdamW": ("base/ungrokking",),
    "coupled, the paper's size": ("p113/ungrokking_coupled",),
}
LARGE = list(PANELS)[-1]
SCRATCH = "p113/scratch_coupled"
SEEN = 3  # seeds below which a weight decay is not shown

CAPTION = """
Final accuracy outside the training set of nets that had grokked and went on with D′ pairs: median over seeds, band
over all. D_crit, where efficiencies meet: {isologit} pairs. {moving} of {adamw} AdamW runs still
move. Coupled width, 10 to 90 %, in ln D′: {width}. {large}n = {n} runs.
"""


def _from_scratch(axes: Axes, study: Study, table: pd.DataFrame, colours: Mapping[float, str]) -> None:
    """The paper's size from scratch, dashed, and where its efficiencies meet."""
    if len(table):
        medians(axes, table, "test", colours[table.weight_decay.iloc[0]], "scratch", "--")
    rows = study.verdicts.data["tables"].get("The small network and the paper's size", [])
    for row in rows:
        if (row["setting"], row["number"]) == ("p113", "ln of the size at which efficiencies meet"):
            critical(axes, *(math.exp(number(row[name])) for name in ("low", "value", "high")))


def _places(large: pd.DataFrame, scratch: pd.DataFrame) -> str:
    """Where accuracy is one half at the paper's size, by weight decay and from scratch."""
    if not len(large):
        return ""
    words = []
    for decay, runs in large.groupby("weight_decay"):
        words.append(f"{middle(thresholds(runs).values())[0]:.0f} (α {decay:g})")
    # Some seeds have only the sizes at which some leave: no threshold of theirs lies elsewhere.
    whole = scratch[scratch.seed.isin(large.seed)] if len(scratch) else scratch
    if len(whole):
        words.append(f"{middle(thresholds(whole).values())[0]:.0f} (scratch)")
    return f"At p = {large.p.iloc[0]} one half is at {', '.join(words)} pairs. "


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A panel for each protocol, and one for the paper's size."""
    tables = {title: study.tables(*names) for title, names in PANELS.items()}
    there = {title: table for title, table in tables.items() if len(table)}
    fig, row = plt.subplots(1, len(there), figsize=(7.0, 2.5), sharey=True, squeeze=False)
    found, scratch = study.verdicts.number("P8a", "ln isologit D_crit").exp(), study.tables(SCRATCH)
    for axes, (title, table) in zip(row[0], there.items(), strict=True):
        colours = decay_colours(table.weight_decay)
        for decay, colour in colours.items():
            own = table[table.weight_decay == decay]
            if own.seed.nunique() >= SEEN:
                medians(axes, own, "test", colour, decay_name(decay, bool(own.coupled.iloc[0])))
        if found.exists and table.p.iloc[0] == tables["AdamW"].p.iloc[0]:
            critical(axes, found.low, found.value, found.high)
        axes.axhline(1.0 / table.p.iloc[0], color=GREY, ls=":", lw=0.8, zorder=0)
        axes.set(title=f"{title}, p = {table.p.iloc[0]}", xlabel="data set size D′ (pairs)", ylim=(-0.03, 1.04))
        if title == LARGE:
            _from_scratch(axes, study, scratch, colours)
        number_axis(
            axes.xaxis, (350, 650, 1250, 2500, 4000) if title == LARGE and len(scratch) else table.dataset_size, 6
        )
        place = (
            {"loc": (0.35, 0.32), "handlelength": 1.3, "framealpha": 0.0}
            if title == LARGE and len(scratch)
            else {"loc": "upper left"}
        )
        axes.legend(**place)
    row[0, 0].set_ylabel("accuracy outside D′")
    if found.exists:
        row[0, 0].text(found.value * 1.12, 0.03, CRITICAL, va="bottom", fontsize=7)
    return fig, {
        "n": sum(map(len, there.values())) + len(scratch),
        "isologit": str(found),
        "moving": int((~tables["AdamW"].rests).sum()),
        "adamw": len(tables["AdamW"]),
        "large": _places(tables[LARGE], scratch),
        "width": str(study.verdicts.number("P2", "10-90 % width of the transition in ln D′")),
    }
