"""The efficiencies of the two circuits, from networks that have only one of them (Varma et al. 2023, figure 3).

η = W^(1/κ) / P, so at a common logit the ratio of efficiencies is the inverse ratio of norms, whatever κ is. Norms at
the common logit are interpolated over weight decay within one data set size and one seed. A Mem-only network was trained on
random labels; a Gen-only network is right on nearly all pairs outside its training set.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from validate.measured import Results

__all__ = ["GEN_SHARE", "alone_in", "common_logit", "degree", "gen_nets", "isologit", "mem_nets", "norms_at", "slopes"]

GEN_SHARE = 0.95**2
"""Gen-only networks have 95 % of their logits' norm in the trigonometric subspace (paper, figure 3): of the square"""


def alone_in(results: Results, protocol: str) -> str:
    """The setting whose lone circuits decide: new seeds, trained to rest, where they are among the results."""
    found = results.deciding("memorising_coupled", *(("laws-43", "base") if protocol == "coupled" else ("base",)))
    return found.partition("/")[0]


def degree(gen: pd.DataFrame, mem: pd.DataFrame) -> float:
    """κ of lone circuits, their measured homogeneity: the mean of both circuits' means."""
    return float((gen.homogeneity.mean() + mem.homogeneity.mean()) / 2)


def mem_nets(results: Results, setting: str = "base", *, protocol: str = "coupled") -> pd.DataFrame:
    """Mem-only networks that have fitted their random labels, one row each. Errors: MissingResult."""
    table = results.table(f"{setting}/memorising{'_coupled' if protocol == 'coupled' else ''}")
    return table[(table.train >= 0.99) & np.isfinite(table.logit)]


def gen_nets(
    results: Results, setting: str = "base", *, protocol: str = "coupled", by: str = "accuracy"
) -> pd.DataFrame:
    """Gen-only networks, one row each. Errors: MissingResult.

    Coupled: networks that had grokked and went on with many pairs. AdamW: those runs from scratch and after ungrokking that
    kept or found Gen alone. None is left out because it moves: that is counted. `by` "accuracy": all networks right on 99 %
    of the pairs outside their training set; "share": the paper's criterion, 95 % of the logits' norm in the trigonometric
    subspace.
    """
    kinds = ("generalising_coupled",) if protocol == "coupled" else ("ungrokking", "scratch")
    table = results.together(*(f"{setting}/{kind}" for kind in kinds))
    table = table[np.isfinite(table.logit)]
    return table[table.gen_share > GEN_SHARE] if by == "share" else table[table.test >= 0.99]


def common_logit(*tables: pd.DataFrame) -> float:
    """The logit at which efficiencies are compared: the middle of the range that every data set size comes nearest to.

    For each table and data set size the logits of its networks span a range; the common logit is halfway between the
    largest lower end and the smallest upper end, whether these overlap or a little extrapolation is needed.
    """
    groups = [group.logit for table in tables for _, group in table.groupby("dataset_size")]
    return float(0.5 * (max(g.min() for g in groups) + min(g.max() for g in groups)))


def norms_at(table: pd.DataFrame, logit: float) -> pd.DataFrame:
    """Norm at a common logit for each data set size and seed: columns dataset_size, seed, norm, reach.

    ln P is linear in ln s between neighbouring networks of one size and seed (over weight decay), and beyond the last with
    the slope of all networks of that table, the level their own. `reach` is how far outside its nets' logits, in ln s.
    """
    if table.empty:
        return pd.DataFrame({"dataset_size": [], "seed": [], "norm": [], "reach": []})
    within = table.groupby(["dataset_size", "seed"])[["logit", "norm"]].transform(
        lambda x: np.log(x) - np.log(x).mean()
    )
    slope = float((within.logit * within.norm).sum() / max((within.logit**2).sum(), 1e-30))
    wanted, rows = np.log(logit), []
    for (size, seed), group in table.groupby(["dataset_size", "seed"]):
        order = np.argsort(group.logit.to_numpy())
        s, norm = np.log(group.logit.to_numpy()[order]), np.log(group.norm.to_numpy()[order])
        inside = float(np.clip(wanted, s[0], s[-1]))
        value = np.interp(inside, s, norm) + slope * (wanted - inside)
        rows.append({"dataset_size": size, "seed": seed, "norm": np.exp(value), "reach": abs(wanted - inside)})
    return pd.DataFrame(rows)


def slopes(norms: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Slope of ln η on ln D for each seed that has at least two sizes: minus that of ln P at a common logit."""
    found = []
    for _, group in norms.groupby("seed"):
        if group.dataset_size.nunique() >= 2:
            found.append(-np.polyfit(np.log(group.dataset_size), np.log(group.norm), 1)[0])
    return np.array(found)


def isologit(gen: pd.DataFrame, mem: pd.DataFrame) -> pd.DataFrame:
    """(5.2) ln D at which Mem's norm equals Gen's at the common logit, for each seed: columns seed, ln_size.

    Mem's ln P is interpolated linearly in ln D within a seed, and beyond its sizes with the slope of a line through all
    of them. Gen's norm is the geometric mean over sizes. A seed without Mem networks has the mean Mem curve.
    """
    rows = []
    pooled = np.log(mem.groupby("dataset_size").norm.mean()) if len(mem) else pd.Series(dtype=float)
    for seed in sorted(set(gen.seed)):
        own = mem[mem.seed == seed]
        curve = np.log(own.set_index("dataset_size").norm.sort_index()) if own.dataset_size.nunique() >= 2 else pooled
        norms = gen[gen.seed == seed].norm
        if len(curve) < 2 or norms.empty:
            continue
        x, y, level = np.log(curve.index.to_numpy(float)), curve.to_numpy(), float(np.log(norms).mean())
        slope = np.polyfit(x, y, 1)[0]
        if level <= y[0] or level >= y[-1]:
            end = 0 if level <= y[0] else -1
            crossing = x[end] + (level - y[end]) / slope
        else:
            # Norms rise with size but for noise: the first crossing on the way up.
            k = int(np.flatnonzero((y[:-1] <= level) & (level <= y[1:]))[0])
            crossing = x[k] + (level - y[k]) / (y[k + 1] - y[k]) * (x[k + 1] - x[k])
        rows.append({"seed": seed, "ln_size": float(crossing)})
    return pd.DataFrame(rows, columns=["seed", "ln_size"])
