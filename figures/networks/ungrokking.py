"""Grokked networks forget below a critical size, where their measured efficiencies meet (paper, figure 4).

Claim: a net that has grokked loses it when it goes on with fewer than D_crit pairs; at rest (coupled) the place does
not depend on weight decay, and the paper's own size, p = 113, does as the small one.
Source: Varma et al. 2023, figures 4 and 7; P2, P3 and P8a of validate.
"""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ..lines import critical, decay_name, medians, middle, number_axis, thresholds
from ..palette import CRITICAL, GREY, decay_colours
from ..study import Study

DATA = ("verdicts.json", "base/ungrokking.nc", "base/ungrokking_coupled.nc")
ALSO = ("p113/ungrokking_coupled.nc",)
PANELS = {
    "coupled penalty": ("base/ungrokking_coupled",),
    "AdamW": ("base/ungrokking",),
    "coupled, the paper's size": ("p113/ungrokking_coupled",),
}
SEEN = 3  # seeds below which a weight decay is not shown

CAPTION = """
Accuracy outside the training set at the end, of nets that had grokked and went on with D′ pairs: median over seeds,
band from least to greatest. D_crit, where efficiencies meet, is {isologit} pairs. {moving} of {adamw} AdamW runs
still move. Coupled width, 10 to 90 %, in ln D′: {width}. {large}n = {n} runs.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A panel for each protocol, and one for the paper's size."""
    tables = {title: study.tables(*names) for title, names in PANELS.items()}
    there = {title: table for title, table in tables.items() if len(table)}
    fig, row = plt.subplots(1, len(there), figsize=(7.0, 2.5), sharey=True, squeeze=False)
    found = study.verdicts.number("P8a", "ln isologit D_crit").exp()
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
        number_axis(axes.xaxis, table.dataset_size, 6)
        axes.legend(loc="upper left")
    row[0, 0].set_ylabel("accuracy outside D′")
    if found.exists:
        row[0, 0].text(found.value * 1.12, 0.03, CRITICAL, va="bottom", fontsize=7)
    adamw, large = tables["AdamW"], tables["coupled, the paper's size"]
    place = middle(thresholds(large).values()) if len(large) else []
    return fig, {
        "n": sum(map(len, there.values())),
        "isologit": str(found),
        "moving": int((~adamw.rests).sum()),
        "adamw": len(adamw),
        "large": f"At p = {large.p.iloc[0]} one half is at {place[0]:.0f} ({place[1]:.0f} to {place[2]:.0f}). "
        if len(place)
        else "",
        "width": str(study.verdicts.number("P2", "10-90 % width of the transition in ln D′")),
    }
