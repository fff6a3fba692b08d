"""Hysteresis: thresholds from random initialisation and ungrokking, against training time, for κ on both sides of 2.

Claim: for κ < 2 the two thresholds meet at D_crit as training goes on, later as κ nears 2; for κ > 2, with a floor as
standing seed, they stay apart for ever. The ungrokking threshold is the stability limit of pure Gen. The threshold
from random initialisation lies *below* that of pure Mem, because Gen grows while Mem is still learning, and that head
start is above the floor.
Source: toymodel/README.md (4.3), (6.3); **beyond** the paper.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from ..palette import COLOURS, GREY, kappa_colour

FLOOR = 1e-4
BELOW, ABOVE = (1.2, 1.6, 1.9), (2.1, 2.5)
TIMES = np.geomspace(100.0, 1e6, 41)
SIZES = 300

CAPTION = """
Left: least size at which Gen leads, from random initialisation (solid) and after grokking (dashed); ticks: stability
limits of pure states. Middle: their gap, closed at flow time {closes_1_2} for κ = 1.2, {closes_1_6} for 1.6,
{closes_1_9} for 1.9; at {t_end} it is {gap_2_1} for κ = 2.1 and {gap_2_5} for 2.5. Right: where pure states are left
(symbols) against closed limits (lines), at most {largest_difference:.1%} apart. n = {n} runs.
"""


def _pure(model: tm.TwoCircuitModel, sizes: np.ndarray, t_end: float) -> tuple[float, float]:
    """Sizes at which a run started in pure Gen keeps its lead (least), and in pure Mem keeps its lead (most)."""
    floor, critical = model.logit_floor, tm.critical_dataset_size(model)
    # Pure Gen does not depend on the data set; pure Mem does, and a run from plenty of it settles there first.
    gen = tm.steady_state(model.at_dataset_size(100.0 * critical), [50.0, floor]).gen_logit
    from_gen = tm.sweep(model, t_end, start=[gen, floor], dataset_size=sizes, progress=False)
    from_mem = tm.sweep(model, t_end, start=[floor, 50.0], dataset_size=sizes, progress=False)
    keeps_gen = (from_gen.gen_logit > from_gen.mem_logit).values
    keeps_mem = (from_mem.mem_logit > from_mem.gen_logit).values
    # The threshold lies between the last size that leaves and the first that stays.
    i, j = int(np.argmax(keeps_gen)), int(np.flatnonzero(keeps_mem)[-1])
    return float(np.sqrt(sizes[i - 1] * sizes[i])), float(np.sqrt(sizes[j] * sizes[j + 1]))


def draw() -> tuple[Figure, dict[str, object]]:
    """Thresholds, gap, and stability of the pure states."""
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(7.0, 3.0))
    sizes = 1000.0 * np.geomspace(0.03, 100.0, SIZES)
    spacing = float(np.log(sizes[1] / sizes[0]))
    numbers: dict[str, object] = {"floor": FLOOR, "t_end": TIMES[-1], "critical_size": 1000.0, "gap_spacing": spacing}
    for kappa in (*BELOW, *ABOVE):
        model = tm.TwoCircuitModel(kappa=kappa, logit_floor=FLOOR if kappa > 2 else 0.0)
        gap, colour, name = (
            tm.size_thresholds(model, TIMES, sizes=sizes),
            kappa_colour(kappa),
            f"{kappa:g}".replace(".", "_"),
        )
        left.plot(TIMES, gap.from_scratch, color=colour)
        left.plot(TIMES, gap.ungrokking, color=colour, ls="--")
        middle.plot(TIMES, np.maximum(gap.gap.values, 1e-3), color=colour, label=f"κ = {kappa:g}")
        open_ = np.flatnonzero(~(gap.gap.values < spacing))
        if kappa < 2:
            numbers[f"closes_{name}"] = TIMES[open_[-1] + 1] if open_[-1] + 1 < TIMES.size else np.nan
            continue
        limits = tm.stability_limits(model)
        for limit in (limits.gen_below, limits.mem_above):
            left.plot([1.0, 1.04], [limit] * 2, color=colour, lw=2, transform=left.get_yaxis_transform(), clip_on=False)
        middle.plot(
            [1.0, 1.04], [limits.gap] * 2, color=colour, lw=2, transform=middle.get_yaxis_transform(), clip_on=False
        )
        numbers |= {
            f"gap_{name}": gap.gap.values[-1],
            f"limit_{name}": limits.gap,
            f"scratch_share_{name}": gap.from_scratch.values[-1] / limits.mem_above,
            f"ungrokking_share_{name}": gap.ungrokking.values[-1] / limits.gen_below,
        }
    # The last model, κ = 2.5, just below its threshold from random initialisation: Gen is lost, but how far did it get?
    lost = tm.simulate(model.at_dataset_size(0.98 * float(gap.from_scratch[-1])), 1e4)
    numbers |= {"head_start": lost.gen_logit.max() / FLOOR, "lost_gen_logit": lost.gen_logit[-1] / FLOOR}
    left.axhline(1000.0, color=GREY, lw=0.6, ls=":", zorder=0)
    left.plot([], [], color="k", label="random start")
    left.plot([], [], color="k", ls="--", label="ungrokking")
    left.set(xscale="log", yscale="log", xlabel="training time (flow time)", ylabel="threshold in D (examples)")
    left.set(xlim=(TIMES[0], TIMES[-1]))
    left.plot([], [], color=GREY, lw=2.5, label="stability limit")
    left.legend(loc="upper right", handlelength=1.5)
    middle.set(
        xscale="log", yscale="log", xlabel="training time (flow time)", ylabel="gap, ln(random start / ungrokking)"
    )
    middle.set(xlim=(TIMES[0], TIMES[-1]), ylim=(0.02, 20.0))
    middle.legend(loc="lower right", borderaxespad=1.5)

    kappas, t_pure = np.array([2.05, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6]), 1e6
    models = [tm.TwoCircuitModel(kappa=float(k), logit_floor=FLOOR) for k in kappas]
    wide = 1000.0 * np.geomspace(0.03, 50.0, 400)
    found = np.array([_pure(model, wide, t_pure) for model in models])
    closed = np.array([[lim.gen_below, lim.mem_above] for lim in map(tm.stability_limits, models)])
    for k, (which, word) in enumerate((("gen", "Gen"), ("mem", "Mem"))):
        right.plot(kappas, closed[:, k], color=COLOURS[which], label=f"pure {word}, closed form")
        right.plot(kappas, found[:, k], "o", color=COLOURS[which], mfc="w", label=f"pure {word}, found")
    right.axhline(1000.0, color=GREY, lw=0.6, ls=":", zorder=0)
    right.text(
        2.36, 1000.0, "both stable", ha="center", va="center", fontsize=7, bbox={"fc": "w", "ec": "none", "pad": 1}
    )
    right.set(yscale="log", xlabel="κ", ylabel="loses stability at D (examples)", ylim=(30, 3e5), xlim=(2.0, 2.65))
    right.legend(loc="upper left")
    numbers |= {
        "n": 2 * len((*BELOW, *ABOVE)) * SIZES + 2 * kappas.size * wide.size,
        "t_pure": t_pure,
        "largest_difference": np.abs(found / closed - 1.0).max(),
        "spacing": wide[1] / wide[0] - 1.0,
        "kappa": kappas,
        "pure_gen_found": found[:, 0],
        "pure_gen_closed": closed[:, 0],
        "pure_mem_found": found[:, 1],
        "pure_mem_closed": closed[:, 1],
    }
    return fig, numbers
