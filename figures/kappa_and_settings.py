"""The degree κ measured three ways, and the critical data set size against width, depth, modulus and parameter count.

Claim: the three ways do not agree on one κ, and two of them put it above 2; D_crit follows the isologit forecast from
setting to setting.
Source: model.md 1, (5.2), (5.3); experiments.md 1 and 3; validate's match and its study of settings.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import toymodel as tm

from .palette import COLOURS, GREY
from .verdicts import ABOUT, Verdicts, plain_ticks

DATA = {"validate/{profile}/verdicts.json": "make data"}
WAYS = {
    "κ from norm against logit, Mem": "norm against logit, Mem",
    "κ from norm against logit, Gen": "norm against logit, Gen",
    "κ local, Mem": "scaling one network, Mem",
    "κ local, Gen": "scaling one network, Gen",
    "κ from sharpness": "sharpness of ungrokking",
}
KINDS = {"isologit": ("isologit", "o", "k"), "ungrokking": ("ungrokking", "D", "w")}

CAPTION = (
    """
(a) Exponent κ of logit on norm, three ways, means over seeds with 95 % t intervals: from networks at rest at different
weight decays; from scaling all weights of one network; from how sharply the circuits' logits exchange with D, which by
(5.3) cannot come out at 2 or more. Grey: the paper's {paper_kappa}; dashed: 2, above which the theory lets one circuit
take all. {kappas}. (b) D_crit of one setting against the other's parameter: width, (c) modulus p, (d) number of
parameters, depth in its marker; discs: isologit crossing, diamonds: measured by ungrokking, coupled L2 penalty α =
1e-4, with 95 % intervals; grey in (c): a constant share of the p² pairs through the base setting. {settings}. n = {n}
settings. """
    + ABOUT
)


def _kappas(axes: Axes, verdicts: Verdicts) -> str:
    """A line for each way; in words."""
    table = verdicts.table("setting", "quantity", "value")
    rows = {row.quantity: row for row in table.itertuples() if getattr(row, "setting", "base") == "base"}
    words = []
    for k, (name, label) in enumerate(WAYS.items()):
        colour = COLOURS["mem"] if "Mem" in name else COLOURS["gen"] if "Gen" in name else "k"
        found = verdicts.quote(name, rows[name]) if name in rows else None
        if found and found.exists:
            axes.plot([max(found.low, 0), min(found.high, 9)], [-k, -k], color=colour, lw=1.5, solid_capstyle="butt")
            axes.plot(found.value, -k, "o", color=colour, ms=4.5)
        words.append(f"{label} {found if found else 'not measured'}")
    axes.set_yticks([-k for k in range(len(WAYS))], list(WAYS.values()))
    axes.set(xlabel="κ", xlim=(0, None), ylim=(-len(WAYS) + 0.4, 0.6), title="(a) three ways to κ")
    paper = tm.TwoCircuitModel().kappa
    for kappa, style, name in ((paper, "-", "paper"), (2.0, "--", "one takes all")):
        axes.axvline(kappa, color=GREY, ls=style, lw=1.0, zorder=0)
        side = ("right", -2) if kappa == paper else ("left", 3)
        axes.annotate(name, (kappa, 0.0), xycoords=("data", "axes fraction"), xytext=(side[1], 3), rotation=90,
                      textcoords="offset points", color=GREY, fontsize=7, ha=side[0], va="bottom")  # fmt: skip
    return "; ".join(words)


def _against(axes: Axes, table: pd.DataFrame, column: str, label: str) -> None:
    """Both D_crit of each setting against one of its properties."""
    for k, (kind, (_, mark, face)) in enumerate(KINDS.items()):
        if f"{kind}_pairs" not in table:
            continue
        own = table[np.isfinite(table[f"{kind}_pairs"])].sort_values(column)
        x, y = own[column] * 1.012 ** (2 * k - 1), own[f"{kind}_pairs"]
        # Where one seed is all there is, there is no interval.
        low, high = (own[f"{kind}_{end}"].where(lambda e: (e > 0) & np.isfinite(e), y) for end in ("low", "high"))
        single = own.layers == 1
        axes.plot(x[single], y[single], color="k", ls="-" if k == 0 else ":", lw=0.8, zorder=1)
        for depth, fill in ((1, face), (2, "#CC79A7")):
            here = own.layers == depth
            look = {"fmt": mark, "ms": 4.5, "color": "k", "mfc": fill, "elinewidth": 1.0, "capsize": 2, "ls": ""}
            axes.errorbar(x[here], y[here], (y[here] - low[here], high[here] - y[here]), **look)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="D_crit (pairs)")
    plain_ticks(axes.xaxis, sorted(set(table[column])))
    plain_ticks(axes.yaxis, [50, 75, 100, 150, 200, 250, 300, 400, 600, 800, 1200, 2000, 3000])
    axes.set_xlim(table[column].min() / 1.2, table[column].max() * 1.2)
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, 0.6 * top), top)


def draw() -> tuple[Figure, dict[str, object]]:
    """κ, and D_crit against three properties of the setting."""
    verdicts = Verdicts()
    table = verdicts.study("D_crit by width")
    fig, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(7.0, 4.8))
    numbers: dict[str, object] = {
        "kappas": _kappas(a, verdicts),
        "paper_kappa": tm.TwoCircuitModel().kappa,
        "n": max(len(table), 1),
    }
    words = []
    if len(table):
        base = table[table.setting == "base"].iloc[0]
        plain = table.layers == base.layers
        _against(b, table[plain & (table.p == base.p)], "width", "width d_model")
        _against(c, table[plain & (table.width == base.width)], "p", "modulus p")
        level = base.isologit_pairs if "isologit_pairs" in table else np.nan
        primes = np.array([table.p.min() / 1.1, table.p.max() * 1.1])
        c.plot(primes, level * (primes / base.p) ** 2, color=GREY, lw=1.2, zorder=0)
        c.annotate("∝ p²", (primes[1], level * (primes[1] / base.p) ** 2), color=GREY, ha="right", va="bottom")
        _against(d, table[table.p == base.p], "parameters", "parameters")
        for row in table.itertuples():
            found = [f"{kind} {verdicts.quote(f'{row.setting}, {kind}', row, 'pairs', f'{kind}_')}" for kind in KINDS]
            words.append(f"{row.setting}: {', '.join(found)}")
    deep = bool(len(table)) and bool((table.layers == 2).any())
    last = "(d) parameters and depth" if deep else "(d) parameters"
    for axes, heading in ((b, "(b) width"), (c, "(c) modulus"), (d, last)):
        axes.set_title(heading)
    handles = [Line2D([], [], color="k", marker=m, mfc=f, ms=4.5, ls="", label=n) for n, m, f in KINDS.values()]
    if deep:
        handles.append(Line2D([], [], color="k", marker="o", mfc="#CC79A7", ms=4.5, ls="", label="two layers"))
    d.legend(handles=handles)
    numbers["settings"] = (
        "D_crit in pairs: " + "; ".join(words) if words else "Settings were not trained in this profile"
    )
    return fig, numbers | verdicts.numbers()
