"""Efficiencies of the two circuits in real networks, and the data set size at which they meet.

Claim: at a common logit Mem's norm rises with data set size and Gen's does not, so the two cross; logit grows with norm
with an exponent near four, not the paper's 1.2.
Source: Varma et al. 2023, figure 3; model.md 1 and 5; validate's P1, P8 and P9.
"""

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import toymodel as tm

from .measured import number_ticks
from .palette import COLOURS, GREY
from .verdicts import ABOUT, Verdicts, plain_ticks, short

DATA = {"validate/{profile}/verdicts.json": "make data"}
KINDS = ("AdamW", "coupled L2 penalty")
MARKERS = {"AdamW": "o", "coupled L2 penalty": "s"}
GEN, MEM = "slope of ln η_gen on ln D", "slope of ln η_mem on ln D"
BEND = "relative change of the exponent from low to high logits"
AIC = "AIC of the power law less that of the better of affine and logarithmic"

CAPTION = (
    """
Norm that a circuit needs for its logit, n = {n} networks at rest, each a point; discs: AdamW, squares: Adam with a
coupled L2 penalty. (a) Mem-only networks, trained on random labels: norm against equivalent logit, a colour for each
data set size D. Dashed: a power law of one exponent through the coupled networks. (b) Gen-only networks (95 % of the
logits' norm in the trigonometric subspace), on the same axes. Grey: the slope 1/κ of the toy model with the paper's κ
= {paper_kappa}. (c) Norm at the common logit of {logit} nats (AdamW) and {logit_coupled} nats (coupled): faint points
are seeds, the others their means with 95 % t intervals; horizontal lines are the means of Gen. Slope of ln η_gen on ln
D: {gen_slope}; of ln η_mem: {mem_slope}; grey: the √D that orthogonal memories would cost. They meet at D_crit =
{isologit} pairs (line and band: isologit crossing and its interval), with the coupled penalty at {isologit_coupled}
(dotted). (d) The exponent of the law: between networks of one D and seed at neighbouring weight decays (faint; the
coupled ones with their means over seeds and 95 % t intervals), and d ln s / d ln ‖w‖ under scaling of all weights of
one network. A power law would have one value; the means between coupled networks run from {least_mem} to {most_mem}
(Mem) and from {least_gen} to {most_gen} (Gen). Relative change of Mem's from low to high logits, by P9: {bend}, where
±0.1 would confirm; AIC of the power law less that of its best rival: {aic}. """
    + ABOUT
)
CMAP = plt.get_cmap("viridis_r")


def nets(verdicts: Verdicts, circuit: str) -> pd.DataFrame:
    """The accepted networks of one circuit, a row each, with their optimizer."""
    id = "P1a" if circuit == "gen" else "P1b"
    tables = [verdicts.rows(id, f"{circuit} nets, {kind}").assign(kind=kind) for kind in KINDS]
    return pd.concat([t for t in tables if len(t)], ignore_index=True)


def local_exponents(table: pd.DataFrame) -> pd.DataFrame:
    """d ln logit / d ln norm between neighbouring weight decays of one size and seed.

    Columns logit, exponent, kind, seed, step; `step` says which of the weight decays of the table the two networks have.
    """
    rows = []
    decays = {kind: sorted(set(own.weight_decay)) for kind, own in table.groupby("kind")}
    for (kind, _, seed), group in table.groupby(["kind", "dataset_size", "seed"]):
        group = group.sort_values("weight_decay", ascending=False)
        s, norm = np.log(group.logit.to_numpy(float)), np.log(group.norm.to_numpy(float))
        # Networks of nearly the same norm have no slope between them.
        for k in np.flatnonzero(np.diff(norm) > 0.01):
            slope = (s[k + 1] - s[k]) / (norm[k + 1] - norm[k])
            step = decays[kind].index(group.weight_decay.iloc[k])
            rows.append((np.exp(0.5 * (s[k] + s[k + 1])), slope, kind, seed, step))
    return pd.DataFrame(rows, columns=["logit", "exponent", "kind", "seed", "step"])


def interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Mean over seeds and half the width of its 95 % t interval; nan with one seed."""
    from scipy import stats

    n = len(values)
    half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return float(values.mean()), float(half)


def _clouds(axes: Axes, table: pd.DataFrame, norm: LogNorm) -> None:
    """Norm against logit, coloured by data set size, with a power law of one exponent through the coupled networks."""
    coupled = table[table.kind == KINDS[1]]
    slope, levels = shared_power(coupled) if len(coupled) else (np.nan, {})
    for (kind, size), group in table.groupby(["kind", "dataset_size"]):
        colour = CMAP(norm(size))
        axes.plot(group.logit, group.norm, MARKERS[kind], color=colour, ms=3.2, mec="w", mew=0.3)
        if kind == KINDS[1]:
            ends = np.array([group.logit.min() / 1.05, group.logit.max() * 1.05])
            axes.plot(ends, np.exp(levels[size]) * ends**slope, "--", color=colour, lw=0.8, zorder=1)


def shared_power(table: pd.DataFrame) -> tuple[float, dict[int, float]]:
    """Slope of ln norm on ln logit shared by all sizes, and the level of each, by least squares."""
    x, y = np.log(table.logit.to_numpy(float)), np.log(table.norm.to_numpy(float))
    sizes = table.dataset_size.to_numpy()
    mean_x, mean_y = (pd.Series(v).groupby(sizes).transform("mean").to_numpy() for v in (x, y))
    slope = float(((x - mean_x) * (y - mean_y)).sum() / ((x - mean_x) ** 2).sum())
    return slope, {int(k): float((y - slope * x)[sizes == k].mean()) for k in np.unique(sizes)}


def _labelled(axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, text: str, offset: tuple[float, float]) -> None:
    """A grey line of theory with its name at its end."""
    axes.plot(x, y, color=GREY, lw=1.2, zorder=1)
    end = (np.asarray(x)[-1], np.asarray(y)[-1])
    side = "left" if offset[0] > 0 else "right"
    axes.annotate(text, end, xytext=offset, textcoords="offset points", color=GREY, fontsize=7, ha=side)


def _crossing(axes: Axes, verdicts: Verdicts) -> dict[str, object]:
    """Norm at the common logit against D, both circuits."""
    numbers: dict[str, object] = {"logit": "none", "logit_coupled": "none"}
    for kind, filled in zip(KINDS, (True, False), strict=True):
        for circuit in ("mem", "gen"):
            table = verdicts.rows("P1a" if circuit == "gen" else "P1b", f"{circuit} norms, {kind}")
            if table.empty:
                continue
            numbers["logit" if filled else "logit_coupled"] = float(table.logit.iloc[0])
            colour, shift, style = COLOURS[circuit], 1.0 if filled else 1.03, "-" if filled else ":"
            if circuit == "gen":
                axes.axhline(np.exp(np.log(table.norm).mean()), color=colour, ls=style, lw=0.8)
            axes.plot(table.dataset_size * shift, table.norm, MARKERS[kind], color=colour, ms=2.2, alpha=0.35, mew=0)
            rows = [(s, *interval(np.log(g.norm.to_numpy(float)))) for s, g in table.groupby("dataset_size")]
            size, mean, half = np.array(rows, float).T
            error = np.abs(np.exp([mean - half, mean + half]) - np.exp(mean))
            look = {
                "color": colour,
                "mfc": colour if filled else "w",
                "ms": 4.0,
                "lw": 1.0,
                "elinewidth": 1.0,
                "capsize": 2,
            }
            axes.errorbar(size * shift, np.exp(mean), error, fmt=MARKERS[kind], ls=style if circuit == "mem" else "",
                          zorder=3, **look)  # fmt: skip
            if circuit == "mem" and filled:
                ends = float(size[0]) * np.array([1.0, 5.0])
                _labelled(axes, ends, np.exp(mean[0]) * np.sqrt(ends / ends[0]), "√D", (3, -3))
    for name, key, style in (("", "isologit", "-"), (", coupled L2 penalty", "isologit_coupled", ":")):
        found = verdicts.number("P8a", f"ln isologit D_crit{name}").exp()
        numbers[key] = str(found)
        if not found.exists:
            continue
        if not name:
            axes.axvspan(found.low, found.high, color="0.88", lw=0, zorder=0)
            axes.annotate(f"isologit\nD_crit = {short(found.value)}", (found.value, 1.0), xycoords=("data", "axes fraction"),
                          xytext=(-3, -2), textcoords="offset points", ha="right", va="top", fontsize=7)  # fmt: skip
        axes.axvline(found.value, color="k", ls=style, lw=0.8, zorder=0)
    return numbers


def _exponents(axes: Axes, tables: dict[str, pd.DataFrame], kappa: float) -> dict[str, object]:
    """The exponent between neighbouring networks, and the degree of homogeneity of each network, against logit."""
    spans: dict[str, object] = {}
    for circuit, table in tables.items():
        for kind, group in local_exponents(table).groupby("kind"):
            coupled = kind == KINDS[1]
            look = {"mew": 0.0} if coupled else {"mfc": "none", "mew": 0.6}
            axes.plot(group.logit, group.exponent, MARKERS[kind], color=COLOURS[circuit], ms=2.4, alpha=0.4, **look)
            if not coupled:
                continue
            found = []
            for _, own in group.groupby("step"):
                by_seed = own.groupby("seed").exponent.mean().to_numpy()
                found.append((np.exp(np.log(own.logit).mean()), *interval(by_seed)))
            x, mean, half = np.array(found).T
            look = {"color": COLOURS[circuit], "ms": 4.5, "capsize": 2, "elinewidth": 1.0, "mec": "w", "mew": 0.4}
            axes.errorbar(x, mean, half, fmt="s", zorder=3, **look)
            spans |= {f"least_{circuit}": mean.min(), f"most_{circuit}": mean.max()}
        # One network and its weights scaled.
        axes.plot(table.logit, table.homogeneity, "x", color=COLOURS[circuit], ms=2.5, alpha=0.5, mew=0.6)
    _labelled(axes, axes.get_xlim()[::-1], [kappa, kappa], f"toy, κ = {kappa:g}", (3, -9))
    handles = [
        Line2D([], [], color="0.3", marker="x", ms=3, ls="", label="scaling of one network"),
        Line2D([], [], color="0.3", marker="s", ms=3.2, ls="", label="between networks, coupled"),
        Line2D([], [], color="0.3", marker="o", ms=3.2, ls="", mfc="none", label="between networks, AdamW"),
    ]
    axes.legend(handles=handles, loc="upper left")
    return spans


def draw() -> tuple[Figure, dict[str, object]]:
    """Norm against logit for each circuit, the crossing, and the exponent of the law."""
    verdicts = Verdicts()
    fig, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(7.0, 5.4))
    tables = {circuit: nets(verdicts, circuit) for circuit in ("mem", "gen")}
    both, kappa = pd.concat(tables.values()), tm.TwoCircuitModel().kappa
    norm = LogNorm(both.dataset_size.min(), both.dataset_size.max())
    limits = {
        "xlim": (both.logit.min() / 1.08, both.logit.max() * 1.08),
        "ylim": (both.norm.min() / 1.1, both.norm.max() * 1.12),
    }
    for axes, circuit, name in ((a, "mem", "(a) Mem-only networks"), (b, "gen", "(b) Gen-only networks")):
        _clouds(axes, tables[circuit], norm)
        axes.set(
            xscale="log", yscale="log", xlabel="equivalent logit s (nats)", ylabel="parameter norm ‖w‖", title=name
        )
        axes.set(**limits)
        plain_ticks(axes.xaxis, [5, 7, 10, 14, 20])
        plain_ticks(axes.yaxis, [10, 15, 20, 30, 40])
        ends = np.array([19.0, 14.5])
        _labelled(
            axes, ends, 1.33 * limits["ylim"][0] * (ends / 19.0) ** (1.0 / kappa), f"toy, κ = {kappa:g}", (-3, -2)
        )
    bar = fig.colorbar(
        plt.cm.ScalarMappable(norm, CMAP), ax=[a, b], label="data set size D (pairs)", aspect=25, pad=0.01
    )
    shown = [100, 200, 400, 800, 1600]
    bar.set_ticks(shown, labels=[str(s) for s in shown])
    bar.ax.minorticks_off()

    numbers = _crossing(c, verdicts) | _exponents(d, tables, kappa)
    number_ticks(c, shown)
    c.set(
        yscale="log",
        xlabel="data set size D (pairs)",
        ylabel="norm at a common logit",
        title="(c) Efficiencies and where they meet",
    )
    plain_ticks(c.yaxis, [10, 15, 20, 25, 30, 40, 50])
    handles = [
        Line2D([], [], color=COLOURS["gen"], marker="o", ms=4, label="Gen, AdamW"),
        Line2D([], [], color=COLOURS["mem"], marker="o", ms=4, label="Mem, AdamW"),
        Line2D([], [], color="0.3", marker="s", mfc="w", ls=":", ms=4, label="coupled L2"),
    ]
    c.legend(handles=handles, loc="lower right")
    d.set(xscale="log", ylim=(0, 9.9), xlabel="equivalent logit s (nats)", ylabel="exponent d ln s / d ln ‖w‖",
          title="(d) The exponent")  # fmt: skip
    plain_ticks(d.xaxis, [5, 7, 10, 14, 20])
    missing = {f"{end}_{circuit}": "?" for end in ("least", "most") for circuit in tables}
    quoted = {
        "gen_slope": verdicts.number("P1a", GEN),
        "mem_slope": verdicts.number("P1b", MEM),
        "bend": verdicts.number("P9", BEND),
        "aic": verdicts.number("P9", AIC),
    }
    numbers = missing | numbers | {"n": len(both), "paper_kappa": kappa} | {k: str(v) for k, v in quoted.items()}
    return fig, numbers | verdicts.numbers()
