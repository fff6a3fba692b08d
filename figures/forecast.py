"""What a network will do, forecast and measured: a map over data set size and weight decay for each kind of run.

Claim: the size at which the measured efficiencies meet forecasts who generalises after ungrokking; it says nothing about
how long a network from scratch takes to get there.
Source: model.md (5.2), 6; experiments.md 3; validate's forecasts, with the held-out cells fixed before any fit.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from .palette import COLOURS, shade
from .verdicts import ABOUT, Verdicts

DATA = {"validate/{profile}/verdicts.json": "make data"}
KINDS = {"scratch": "from scratch", "ungrokking": "ungrokking", "ungrokking_coupled": "ungrokking,\ncoupled L2"}
FORECASTS = {"isologit": "isologit: D > D_crit", "toy": "matched toy model"}
BASELINES = ("majority", "persistence", "logistic, other seeds", "logistic, other kinds")
# Gen leads, or Mem, or some seeds this and some that.
MIXED = LinearSegmentedColormap.from_list(
    "mixed", [shade(COLOURS["mem"], 0.75), "#f2f2f2", shade(COLOURS["gen"], 0.75)]
)

CAPTION = (
    """
Cells of data set size × weight decay, n = {n} in all; blue: the networks generalise (more than half of the pairs never
seen), orange: they do not; measured cells are paler where seeds differ. Rows: kinds of run. Left: measured; a dot:
most seeds were still moving at the end. Middle: the isologit forecast, generalise where D > {critical} pairs, whatever
the start. Right: the toy model matched with Mem-only and Gen-only networks, run for as long as the networks. Black
frame: held out of all fits ({held} cells); without: used to match the toy's clock. A cross: forecast wrong. Share of
wrong held-out cells: isologit {wrong_isologit}, toy {wrong_toy}. Skill, 1 − errors / errors of the rule, with its
bootstrap interval over seeds: isologit against {skill_isologit}; toy against {skill_toy}. The last two rules are told
outcomes of other runs, the forecasts are not. """
    + ABOUT
)


def _map(axes: Axes, rows: pd.DataFrame, name: str, sizes: list[int], decays: list[float]) -> None:
    """One map; forecasts are crossed out where they are wrong."""
    for row in rows.itertuples():
        x, y = sizes.index(row.dataset_size), decays.index(row.weight_decay)
        value = getattr(row, name)
        face = "w" if np.isnan(value) else MIXED(float(value))
        style = {"ec": "k", "lw": 0.8} if row.held_out else {"ec": "none", "lw": 0.0}
        axes.add_patch(Rectangle((x - 0.42, y - 0.42), 0.84, 0.84, fc=face, **style))
        if name != "measured" and np.isfinite(value) and row.measured != 0.5 and (value > 0.5) != (row.measured > 0.5):
            axes.plot(x, y, "x", color="k", ms=5, mew=1.2)
        if name == "measured" and row.unfinished > 0.5 * row.seeds:
            axes.plot(x, y, "o", color="k", ms=2.2)
    axes.set(xlim=(-0.6, len(sizes) - 0.4), ylim=(-0.6, len(decays) - 0.4))
    axes.set_xticks(range(len(sizes)), [str(s) for s in sizes], rotation=60 if len(sizes) > 6 else 0)
    axes.set_yticks(range(len(decays)), [f"{d:g}" for d in decays])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def draw() -> tuple[Figure, dict[str, object]]:
    """Rows are kinds of run; columns are measured, isologit, toy."""
    verdicts = Verdicts()
    table = verdicts.table("kind", "held_out", "measured", "isologit", "toy")
    skills = verdicts.table("kind", "forecaster", "baseline", "skill")
    matched = verdicts.table("setting", "quantity", "value")
    kinds = [kind for kind in KINDS if (table.kind == kind).any()]
    heights = [table[table.kind == kind].weight_decay.nunique() + 0.6 for kind in kinds]
    fig, grid = plt.subplots(
        max(len(kinds), 1), 3, figsize=(7.0, 1.4 + 0.32 * sum(heights)), height_ratios=heights or None, squeeze=False
    )
    for line, kind in zip(grid, kinds, strict=False):
        rows = table[table.kind == kind]
        sizes, decays = sorted(int(s) for s in set(rows.dataset_size)), sorted(set(rows.weight_decay))
        for axes, name in zip(line, ("measured", *FORECASTS), strict=True):
            _map(axes, rows, name, sizes, decays)
        line[0].set_ylabel(f"{KINDS[kind]}\nweight decay")
    for axes in grid[-1]:
        axes.set_xlabel("data set size (pairs)")
    held = table[table.held_out.astype(bool)] if len(table) else table
    numbers: dict[str, object] = {"n": len(table), "held": len(held), "critical": "not measured"}
    for row in matched.itertuples():
        if row.quantity == "D_crit, isologit" and getattr(row, "setting", "base") == "base":
            numbers["critical"] = str(verdicts.quote("D_crit, isologit", row))
    grid[0, 0].set_title("measured")
    for axes, (name, heading) in zip(grid[0, 1:], FORECASTS.items(), strict=True):
        own = skills[(skills.forecaster == name) & (skills.kind == "all")]
        words = []
        for row in own.itertuples():
            found = verdicts.quote(f"skill, {name} against {row.baseline}", row, "skill")
            words.append(f"{row.baseline}: {found if found.exists else 'undefined, the rule makes no error'}")
        numbers[f"skill_{name}"] = "; ".join(words) or "nothing, not computed"
        numbers[f"wrong_{name}"] = f"{100 * float(own.error.iloc[0]):.0f} %" if len(own) else "not computed"
        best = own[own.baseline == "persistence"]
        skill = f"{best.skill.iloc[0]:.2f}".replace("-", "−") if len(best) else "not computed"
        axes.set_title(f"{heading}\nskill over persistence {skill}")
    handles = [
        Patch(color=MIXED(1.0), label="generalises"),
        Patch(color=MIXED(0.0), label="does not"),
        Patch(fc="w", ec="k", lw=0.8, label="held out"),
        Line2D([], [], color="k", marker="x", ls="", ms=5, mew=1.2, label="forecast wrong"),
        Line2D([], [], color="k", marker="o", ls="", ms=2.2, label="unfinished"),
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=5)
    return fig, numbers | verdicts.numbers()
