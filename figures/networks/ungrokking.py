"""Grokked networks forget below a critical size, near that at which their lone circuits cost the same (paper, figure 4).

Claim: a grokked network that is trained on with fewer than about D_crit examples ungroks; at rest (coupled) that size
hardly depends on weight decay, and so it is at p = 113. Randomly initialised networks need far more to generalise.
Source: Varma et al. 2023, figures 4 and 7; P2, P3, P7 and P8a of validate.
"""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from validate.quantities import place
from validate.words import number_words

from ..lines import critical, decay_name, medians, number_axis
from ..palette import CRITICAL, GREY, decay_colours
from ..study import Study

DATA = ("base/ungrokking.nc", "base/ungrokking_coupled.nc")
ALSO = (
    "base/memorising*.nc",
    "base/generalising_coupled.nc",
    "base/scratch.nc",
    "p113/*_coupled.nc",
    "paper/base/ungrokking.nc",
)
PAPER = "AdamW, paper's setting"
PUBLISHED = (800, 1000, 0.7)
"""Between these sizes the paper's ungrokked networks are right on about this share (its figure 7)"""
PANELS = {
    "coupled": "base/ungrokking_coupled",
    "AdamW": "base/ungrokking",
    "paper's size": "p113/ungrokking_coupled",
    PAPER: "paper/base/ungrokking",
}
SCRATCH = "p113/scratch_coupled"
SEEN = 3  # seeds below which a weight decay is not shown

CAPTION = """
Held-out accuracy at the end of grokked networks trained on with D′ examples: medians, band over seeds. Dashed: D_crit,
where both circuits alone need the same norm. D_crit, then the size at half accuracy by rising weight decay: {places}.
Runs that still move: {moving}. n = {n}.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """A panel for each protocol, and one for the paper's size."""
    tables = {title: study.tables(name) for title, name in PANELS.items()}
    # On one size there is no transition to be seen.
    there = {title: table for title, table in tables.items() if len(table) and table.dataset_size.nunique() > 1}
    scratch = study.tables(SCRATCH)
    rows = 1 + (len(there) > 3)
    fig, grid = plt.subplots(rows, -(-len(there) // rows), figsize=(7.0, 2.6 * rows), sharey=True, squeeze=False)
    places, moving = [], []
    for axes, (title, table) in zip(grid.flat, there.items(), strict=False):
        setting, coupled, p = PANELS[title].partition("/")[0], bool(table.coupled.iloc[0]), int(table.p.iloc[0])
        colours, found = decay_colours(table.weight_decay), []
        for decay, colour in colours.items():
            own = table[table.weight_decay == decay]
            if own.seed.nunique() >= min(SEEN, table.seed.nunique()):
                medians(axes, own, "test", colour, decay_name(decay, coupled))
                found.append(number_words(place(own).value))
        large = setting == "p113" and len(scratch)
        if title == PAPER:
            axes.plot(PUBLISHED[:2], PUBLISHED[2:] * 2, color=GREY, lw=3, label="0.7, paper's figure 7")
        if large:
            medians(axes, scratch, "test", colours[scratch.weight_decay.iloc[0]], "random start", "--")
        meet = study.meet(setting, "coupled" if coupled else "AdamW")
        critical(axes, meet)
        if meet.exists:
            axes.text(
                meet.value, 1.0, CRITICAL, transform=axes.get_xaxis_transform(), va="bottom", ha="center", fontsize=7
            )
        places.append(f"{title} {number_words(meet.value) if meet.exists else '–'}, {', '.join(found)}")
        moving.append(f"{int((~table.rests).sum())}/{len(table)}")
        axes.axhline(1.0 / p, color=GREY, ls=":", lw=0.8, zorder=0)
        axes.set(xlabel="data set size D′ (pairs)", ylim=(-0.03, 1.04))
        axes.set_title(f"{title}, p = {p}", pad=13)
        number_axis(axes.xaxis, (350, 650, 1250, 2500, 4000) if large else table.dataset_size, 6)
        axes.legend(**{"loc": (0.37, 0.3), "handlelength": 1.3, "framealpha": 0.0} if large else {"loc": "upper left"})
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy outside D′")
    for axes in grid.flat[len(there) :]:
        axes.set_axis_off()
    if len(scratch):
        places.append(f"from random initialisation {number_words(place(scratch).value)}")
    return fig, {
        "n": sum(map(len, there.values())) + len(scratch),
        "places": "; ".join(places),
        "moving": ", ".join(moving),
    }
