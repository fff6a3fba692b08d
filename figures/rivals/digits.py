"""On digits, where generalising is not exact, networks that go on with fewer examples do not go back to chance.

Claim: whether what circuit efficiency says of modular addition, ungrokking and two efficiencies that meet, holds on images.
Source: Varma et al. 2023, figures 3 and 4, tried on MNIST; O9 of validate.
"""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ..lines import medians, number_axis
from ..palette import COLOURS, GREY
from ..study import Study

DATA = ("omnigrok/verdicts.json", "omnigrok/digits/ungrokking_coupled.nc")
CHANCE = 0.1
CIRCUITS = {"true": ("gen", "true labels"), "shuffled": ("mem", "shuffled labels")}
BOTTOM = "accuracy above chance at the smallest D′"

CAPTION = """
Coupled penalty, 5000 digits for MNIST. {left}: accuracy on digits never shown, networks that had learned
3000, then D′; medians. Above chance at the smallest D′:
{bottom}; predicted: below 0.05. {norms}n = {n} networks.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Accuracy against D′, and norms at a common logit where both circuits were trained alone."""
    verdicts = study.rival
    runs, norms = (verdicts.rows(id, table, "digits") for id, table in (("O9b", "runs"), ("O9a", "norms")))
    fig, row = plt.subplots(1, 2 if len(norms) else 1, figsize=(7.0 if len(norms) else 3.5, 2.6), squeeze=False)
    left, right = row[0][0], row[0][-1]
    medians(left, runs, "test", COLOURS["test"], "digits")
    left.axhline(CHANCE, color=GREY, ls=":", lw=0.8, zorder=0)
    number_axis(left.xaxis, runs.dataset_size)
    left.set(xlabel="data set size D′", ylabel="accuracy", ylim=(0, 1.02))
    words = ""
    if len(norms):
        slopes = [verdicts.number("O9a", f"slope of ln η on ln D, {label}", "digits") for _, label in CIRCUITS.values()]
        words = "Right: norm at a common logit; slope of ln η on ln D: true labels {}, shuffled {}. ".format(*slopes)
        for labels, (circuit, label) in CIRCUITS.items():
            by_size = norms[norms.labels == labels].groupby("dataset_size").norm
            right.errorbar(by_size.mean().index, by_size.mean(), by_size.std(), fmt="o-", ms=3.2, capsize=2, elinewidth=0.9,
                           color=COLOURS[circuit], label=label)  # fmt: skip
        number_axis(right.xaxis, norms.dataset_size)
        right.set(xlabel="data set size D", ylabel="norm at a common logit")
        right.legend(loc="best")
    return fig, {
        "n": len(runs) + sum(len(verdicts.rows("O9a", label, "digits")) for _, label in CIRCUITS.values()),
        "left": "Left" if words else "Shown",
        "bottom": str(verdicts.number("O9b", BOTTOM, "digits")),
        "norms": words,
    }
