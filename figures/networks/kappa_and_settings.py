"""Logits grow with norm far faster than the paper's κ; D_crit grows more slowly than the pairs (beyond the paper).

Claim: logits of Mem-only networks, and of all lone circuits together, grow with norm to a power far above 2; the
ungrokking threshold hardly depends on width and depth, and is a smaller share of the pairs the larger the modulus; that
from scratch grows faster.
Source: toymodel/README.md (1); P7, P9, P11 and P14 of validate.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import toymodel as tm

from ..lines import number_axis
from ..palette import BOTH, COLOURS, GREY, PROTOCOLS
from ..study import Study

DATA = ("verdicts.json", "base/memorising_coupled.nc", "width-128/ungrokking_coupled.nc")
# Where κ comes from: label, prediction, its number, colour.
WAYS = (
    ("Mem-only networks", "P9", "κ of Mem-only networks", COLOURS["mem"]),
    ("Gen-only networks", "P9", "κ of Gen-only networks", COLOURS["gen"]),
    ("all single circuits", "P11", "κ", BOTH),
)

# Of a setting: ln(where the efficiencies of its own circuits meet / its threshold), and the ends of the interval.
MEET = ("ln_isologit_over_it", "ln_low", "ln_high")

CAPTION = """
Left: degree κ: {kappas}. Grey: the paper's, and 2. Centre, right: ungrokking
threshold, coupled, by width and modulus; open: two layers; line: a constant share of p².
{settings} n = {n} settings.
"""


def _against(axes: Axes, table: pd.DataFrame, column: str, label: str) -> None:
    own = table[table.layers == 1].sort_values(column)
    for rows, inside, aside in ((own, "k", 1.0), (table[table.layers > 1], "white", 1.08)):
        # Where one seed is all there is, there is no interval.
        low, high = (rows[end].where(rows[end].between(1, 1e5), rows.pairs) for end in ("low", "high"))
        axes.errorbar(
            rows[column] / aside, rows.pairs, (rows.pairs - low, high - rows.pairs), fmt="o", ms=4, color="k", mfc=inside,
            capsize=2, elinewidth=0.9,
        )  # fmt: skip
    # Beside it, where a setting's own networks of one circuit say that it is.
    if MEET[0] in own:
        value, bottom, top = (own.pairs * np.exp(own[name].clip(-10.0, 10.0)) for name in MEET)
        there, error = np.isfinite(value), (value - bottom, top - value)
        axes.errorbar(
            1.08 * own[column][there], value[there], [e[there] for e in error], fmt="D", ms=3.5, color=GREY, capsize=2,
            elinewidth=0.9,
        )  # fmt: skip
    told: list[float] = []
    for value in sorted(set(own[column]), reverse=True):  # numbers of neighbouring moduli would touch
        told += [value] if not told or told[-1] / value > 1.18 else []
    number_axis(axes.xaxis, told)
    span = own.pairs.max() / own.pairs.min()
    number_axis(axes.yaxis, (60, 100, 200, 300, 600, 1000, 2000, 4000) if span > 2 else range(200, 500, 25), 9)
    axes.set(xlabel=label, xlim=(own[column].min() / 1.3, own[column].max() * 1.3))


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """κ, and the threshold against width and modulus."""
    verdicts = study.verdicts
    fig, (left, centre, right) = plt.subplots(1, 3, figsize=(7.0, 2.4), width_ratios=(1.2, 1, 1))
    words = []
    for k, (label, id, name, colour) in enumerate(WAYS):
        found = verdicts.number(id, name)
        words.append(f"{label} {found}")
        if found.exists:
            ends = [max(found.interval.low, 0), min(found.interval.high, 9)]
            left.plot(ends, [-k, -k], color=colour, lw=1.5, solid_capstyle="butt")
            left.plot(found.value, -k, "o", color=colour, ms=4.5)
    paper = tm.TwoCircuitModel().kappa
    for x, text, side in ((paper, "paper", "right"), (2.0, "2", "left")):
        left.axvline(x, color=GREY, ls="-" if text == "paper" else "--", lw=0.9, zorder=0)
        left.text(x, 0.55, f" {text} ", color=GREY, fontsize=7, ha=side, va="center")
    left.set_yticks([-k for k in range(len(WAYS))], [label for label, *_ in WAYS])
    left.set(xlabel="κ", xlim=(0, 6.5), ylim=(0.5 - len(WAYS), 0.75))
    table = verdicts.rows("P14", "settings")
    table = table[table.task == "add"] if len(table) else table
    if len(table):
        base = table[table.setting == "base"].iloc[0]
        _against(centre, table[table.p == base.p], "width", "width")
        like_base = (table.width == base.width) & (table.layers == 1)
        _against(right, table[like_base | (table.p > base.p)], "p", "modulus p")
        primes = [table.p.min() / 1.2, table.p.max() * 1.2]
        scratch = verdicts.rows("P7", "by setting")
        if len(scratch):
            error = (scratch.scratch / scratch.ratio * (scratch.ratio - scratch.low),
                     scratch.scratch / scratch.ratio * (scratch.high - scratch.ratio))  # fmt: skip
            right.errorbar(
                scratch.p, scratch.scratch, error, fmt="s", ms=4, color=PROTOCOLS["coupled"], capsize=2, elinewidth=0.9
            )
        right.plot(primes, [base.pairs * (p / base.p) ** 2 for p in primes], color=GREY, lw=1.0, zorder=0)
    centre.set_ylabel("ungrokking threshold (pairs)")
    met = "Diamonds: where a setting's efficiencies meet. " if MEET[0] in table else ""
    met += "Squares: random initialisation. " if len(verdicts.rows("P7", "by setting")) else ""
    shares = [100 * row.share_of_pairs for row in table.itertuples()]
    return fig, {
        "n": len(table),
        "kappas": "; ".join(words),
        "settings": f"{met}{min(shares):.0f} to {max(shares):.0f} % of pairs."
        if shares
        else "No settings were trained.",
    }
