"""At rest the cheaper of two lone circuits gives the logits of mixtures well, their norms less well (beyond the paper).

Claim: κ, η_gen, β and D_crit, fitted to networks of one circuit, forecast networks with both as the cheaper circuit
alone: their logits to about a percent; near and below D_crit the networks cost a few percent more than that.
Source: toymodel/README.md (4.3); P11 of validate.
"""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import toymodel as tm
from validate.matching.efficiency import alone_in
from validate.words import number_words

from ..lines import critical, number_axis
from ..palette import BOTH, COLOURS, CRITICAL, GREY
from ..study import Study

DATA = (
    "verdicts.json",
    "base/memorising_coupled.nc",
    "base/generalising_coupled.nc",
    "base/ungrokking_coupled.nc",
    "fresh/ungrokking_coupled.nc",
)
ALSO = ("laws-43/*.nc",)
DECAY = 1e-4
START = 5.0  # nats, from which a lone circuit comes to rest, grown
KINDS = {
    "Mem-only": ("memorising_coupled", COLOURS["mem"], "s"),
    "Gen-only": ("generalising_coupled", COLOURS["gen"], "o"),
    "both": ("ungrokking_coupled", BOTH, "D"),
}
WITHIN = 3.0

CAPTION = """
Networks mod {p} at rest, coupled, means over seeds, and the toy's circuits with κ = {kappa}, η_gen = {eta}, β = {beta},
D_crit = {critical}, fitted to lone ones. Left, centre: α = {alpha}. Right: the cheaper circuit alone against every mixture,
of other seeds, shaded ±3 %: off by {logit} % in the logit, {norm} % in the norm; nothing is fitted to mixtures. n = {n}
networks.
"""


def _rest(numbers: dict[str, float], classes: int, kind: str, size: float, decay: float) -> tuple[float, float]:
    """Logit and norm at which one circuit of the matched toy model rests alone."""
    speeds = {name: float(name == kind) for name in ("Gen-only", "Mem-only")}
    gen, mem = (tm.Circuit(numbers["η_gen"], speed, START * speed) for speed in speeds.values())
    law = tm.PowerLaw(numbers["D_crit"], numbers["β"])
    model = tm.TwoCircuitModel(gen=gen, mem=mem, kappa=numbers["κ"], num_classes=classes, law=law)
    state = tm.steady_state(model.at_dataset_size(size), weight_decay=decay)
    return float(state.logits.sum()), float(state.norm)


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Logit and norm against data set size, and the errors of mixtures."""
    found = {name: study.verdicts.number("P11", name) for name in ("κ", "η_gen", "β", "D_crit")}
    numbers = {name: number.value for name, number in found.items()}
    # Lone circuits are those that were fitted; mixtures are of other seeds.
    of = {"both": ("base", "fresh")}
    tables = {
        kind: study.tables(*(f"{setting}/{name}" for setting in of.get(kind, (alone_in(study, "coupled"),))))
        for kind, (name, _, _) in KINDS.items()
    }
    tables["Mem-only"] = tables["Mem-only"][tables["Mem-only"].train >= 0.99]
    every, classes = pd.concat(tables.values()), int(tables["both"].p.iloc[0])
    decay = min(sorted(set(tables["both"].weight_decay)), key=lambda d: abs(math.log(d / DECAY)))
    fig, (left, centre, right) = plt.subplots(1, 3, figsize=(7.0, 2.7))
    grid = np.geomspace(every.dataset_size.min(), every.dataset_size.max(), 30)
    for kind, (_, colour, mark) in KINDS.items():
        own = tables[kind][tables[kind].weight_decay == decay].groupby("dataset_size")[["logit", "norm"]].mean()
        curve = np.array([_rest(numbers, classes, kind, size, decay) for size in grid]) if kind != "both" else None
        for k, (axes, column) in enumerate(((left, "logit"), (centre, "norm"))):
            axes.plot(own.index, own[column], mark, color=colour, ms=3.6, mec="w", mew=0.4, label=kind)
            if curve is not None:
                axes.plot(grid, curve[:, k], color=colour, lw=1.1, zorder=1)
    cells = tables["both"].groupby(["weight_decay", "dataset_size"])[["logit", "norm"]].mean().reset_index()
    winners = np.where(cells.dataset_size > numbers["D_crit"], "Gen-only", "Mem-only")
    forecast = np.array([_rest(numbers, classes, kind, row.dataset_size, row.weight_decay)
                         for kind, row in zip(winners, cells.itertuples(), strict=True)]).reshape(-1, 2)  # fmt: skip
    right.axhspan(-WITHIN, WITHIN, color="0.92", lw=0, zorder=0)
    right.axhline(0.0, color=GREY, lw=0.8, zorder=0)
    ranges = {}
    for k, (column, face) in enumerate((("logit", "w"), ("norm", BOTH))):
        error = 100.0 * (forecast[:, k] / cells[column] - 1.0)
        ranges[column] = " to ".join(number_words(round(end, 1)) for end in (error.min(), error.max()))
        right.plot(cells.dataset_size, error, "D", ms=3.6, mfc=face, mec=BOTH, mew=0.8, label=column)
    right.set(ylabel="forecast over measured − 1 (%)", ylim=(-8, 8))
    left.set_ylabel("logit at rest (nats)")
    centre.set_ylabel("parameter norm at rest")
    for axes in (left, centre, right):
        number_axis(axes.xaxis, (60, 100, 200, 400, 800, 1600))
        critical(axes, found["D_crit"].interval)
        axes.set_xlabel("data set size (pairs)")
    left.text(numbers["D_crit"] * 1.1, 0.02, CRITICAL, transform=left.get_xaxis_transform(), fontsize=7)
    left.legend(loc="upper right")
    right.legend(loc="upper right")
    return fig, {
        "n": len(every),
        "p": classes,
        "kappa": number_words(numbers["κ"]),
        "eta": number_words(numbers["η_gen"]),
        "beta": number_words(numbers["β"]),
        "critical": number_words(numbers["D_crit"]),
        "alpha": f"{decay:g}",
        **ranges,
    }
