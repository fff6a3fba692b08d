"""At rest, single circuits and one μ give the logits of mixtures well, their norms less well (beyond the paper).

Claim: κ, η_gen, β and D_crit, fitted to nets that have one circuit only, and a μ for how circuits share norm give the
logits of nets with both to a percent and their norms to a few; with orthogonal norms, as the paper has them, mixtures
would cost more than either circuit alone.
Source: toymodel/README.md (8.1) to (8.4); P11 and P12 of validate.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import toymodel as tm

from ..lines import number_axis
from ..palette import BOTH, COLOURS, CRITICAL, GREY
from ..study import Study

DATA = ("verdicts.json", "base/memorising_coupled.nc", "base/generalising_coupled.nc", "base/ungrokking_coupled.nc")
ALSO = ("fresh/ungrokking_coupled.nc",)
DECAY = 1e-4
KINDS = {
    "Mem-only": (("base/memorising_coupled",), COLOURS["mem"], "s"),
    "Gen-only": (("base/generalising_coupled",), COLOURS["gen"], "o"),
    "both": (("base/ungrokking_coupled", "fresh/ungrokking_coupled"), BOTH, "D"),
}
WITHIN = 3.0

CAPTION = """
Nets mod {p} at rest, coupled, means over seeds, and the toy model with κ = {kappa}, η_gen = {eta}, β = {beta}, D_crit
= {critical}, all from single circuits, and μ = {mu} from mixtures of one α. Left, centre: α = {alpha}. Right: every
mixture, shaded ±3 %; {held} held out miss ln logit by {logit} and ln norm by {norm}. n = {n} nets.
"""


def _model(numbers: dict[str, float], classes: int, present: str) -> tm.TwoCircuitModel:
    """The matched toy model; a circuit that is not `present` is never learned."""
    law = tm.PowerLaw(numbers["D_crit"], numbers["β"])
    speed = {name: float(present in (name, "both")) for name in ("Gen-only", "Mem-only")}
    start = 5.0
    gen = tm.Circuit(numbers["η_gen"], speed["Gen-only"], start * speed["Gen-only"])
    mem = tm.Circuit(numbers["η_gen"], speed["Mem-only"], start * speed["Mem-only"])
    return tm.TwoCircuitModel(gen=gen, mem=mem, kappa=numbers["κ"], sharing=numbers["μ"], num_classes=classes, law=law)


def _rest(model: tm.TwoCircuitModel, size: float, decay: float) -> tuple[float, float]:
    """Total logit and norm at rest."""
    state = tm.steady_state(model.at_dataset_size(size), weight_decay=decay)
    return float(state.logits.sum()), float(state.norm)


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Logit and norm against data set size, and the errors of mixtures."""
    verdicts = study.verdicts
    numbers = {name: verdicts.number("P11", name).value for name in ("κ", "η_gen", "β", "D_crit")}
    numbers["μ"] = math.exp(verdicts.number("P12", "ln μ from norms of mixtures").value)
    tables = {kind: study.tables(*names) for kind, (names, _, _) in KINDS.items()}
    tables["Mem-only"] = tables["Mem-only"][tables["Mem-only"].train >= 0.99]
    classes = int(tables["both"].p.iloc[0])
    decay = min(sorted(set(tables["both"].weight_decay)), key=lambda d: abs(math.log(d / DECAY)))
    fig, (left, centre, right) = plt.subplots(1, 3, figsize=(7.0, 2.7))
    every = pd.concat(tables.values())
    grid = np.geomspace(every.dataset_size.min(), every.dataset_size.max(), 30)
    for kind, (_, colour, mark) in KINDS.items():
        model = _model(numbers, classes, kind)
        curve = np.array([_rest(model, size, decay) for size in grid])
        own = tables[kind][tables[kind].weight_decay == decay].groupby("dataset_size")[["logit", "norm"]].mean()
        for k, (axes, column) in enumerate(((left, "logit"), (centre, "norm"))):
            axes.plot(grid, curve[:, k], color=colour, lw=1.1, zorder=1)
            axes.plot(own.index, own[column], mark, color=colour, ms=3.6, mec="w", mew=0.4, label=kind)
    model = _model(numbers, classes, "both")
    cells = tables["both"].groupby(["weight_decay", "dataset_size"])[["logit", "norm"]].mean().reset_index()
    forecast = np.array([_rest(model, row.dataset_size, row.weight_decay) for row in cells.itertuples()])
    right.axhspan(-WITHIN, WITHIN, color="0.92", lw=0, zorder=0)
    right.axhline(0.0, color=GREY, lw=0.8, zorder=0)
    for k, (column, face) in enumerate((("logit", "w"), ("norm", BOTH))):
        error = 100.0 * (forecast[:, k] / cells[column] - 1.0)
        right.plot(cells.dataset_size, error, "D", ms=3.6, mfc=face, mec=BOTH, mew=0.8, label=column)
    right.set(ylabel="forecast over measured − 1 (%)", ylim=(-6, 6))
    left.set_ylabel("logit at rest (nats)")
    centre.set_ylabel("parameter norm at rest")
    for axes in (left, centre, right):
        number_axis(axes.xaxis, (60, 100, 200, 400, 800, 1600))
        axes.axvline(numbers["D_crit"], color=GREY, lw=0.8, ls="--", zorder=0)
        axes.set_xlabel("data set size (pairs)")
    left.text(numbers["D_crit"] * 1.05, 0.02, CRITICAL, transform=left.get_xaxis_transform(), fontsize=7)
    left.legend(loc="upper right")
    right.legend(loc="upper right")
    held = verdicts.rows("P11", "held out")
    return fig, {
        "n": sum(map(len, tables.values())),
        "p": classes,
        "kappa": f"{numbers['κ']:.3g}",
        "eta": f"{numbers['η_gen']:.3g}",
        "beta": f"{numbers['β']:.3g}",
        "critical": f"{numbers['D_crit']:.0f}",
        "alpha": f"{decay:g}",
        "mu": f"{numbers['μ']:.2g}",
        "held": f"{int(held.n.iloc[0])} cells" if len(held) else "none",
        "logit": str(verdicts.number("P11", "rms error of ln logit on held-out mixtures")),
        "norm": str(verdicts.number("P11", "rms error of ln norm on held-out mixtures")),
    }
