"""A large start in the toy model: decay's clock delays it as LU says, but the delay is bounded and no U stands behind it.

Claim: a memorising circuit that starts large delays generalising by a time inverse to weight decay, as in Omnigrok, but
by a bounded one for κ < 2; at rest, losses over the norm are two Ls above the critical size; and one norm is another run
at another temperature.
Source: toymodel/README.md (9.1) to (9.4); Liu, Michaud & Tegmark 2022 (arXiv 2210.01117), section 2; beyond the paper.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import toymodel as tm
from toymodel import losses

from ..palette import COLOURS, decay_colours, kappa_colour

STARTS = np.geomspace(0.03, 500.0, 25)
DECAYS = (0.0005, 0.002, 0.008)
KAPPAS = (1.2, 1.6, 2.0)
FROM = 10.0
SIZES = {2000.0: "-", 700.0: "--"}
TEMPERATURES = np.geomspace(0.1, 4.0, 13)

CAPTION = """
Left: time to generalise (dotted: to fit) against the norm at which Mem starts, κ = {kappa}; log-log slope on α at the
largest {slope}. Second: what a start above {least} nats adds, dashed (9.1); LU's straight line at κ = 2, never more
than {bound} at κ = 1.2. Third: losses over the norm at rest, D = 2 D_crit (solid) and 0.7 D_crit (dashed).
Right: one norm, other output temperatures. n = {n} runs and steady states.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """Delay against start and weight decay; against (9.1); landscapes at rest; temperature."""
    fig, (left, second, third, right) = plt.subplots(1, 4, figsize=(7.0, 2.5))
    late = {}
    for alpha, colour in decay_colours(DECAYS).items():
        runs = [tm.simulate(mem_initial_logit=w, weight_decay=alpha, t_end=2e4) for w in STARTS]
        late[alpha] = runs[-1].t_gen or np.nan
        norms = [run.mem_norm[0] for run in runs]
        left.plot(norms, [run.t_gen for run in runs], color=colour, label=f"α = {alpha:g}")
        left.plot(norms, [run.t_fit or np.nan for run in runs], color=colour, ls=":")
    left.set(
        xscale="log", yscale="log", ylim=(1e-3, 3e4), xlabel="norm of Mem at the start", title="flow time to generalise"
    )
    left.legend(loc="lower left")

    worst = []
    for kappa in KAPPAS:
        far = STARTS[STARTS >= FROM]
        times = np.array([tm.simulate(mem_initial_logit=w, kappa=kappa, t_end=2e4).t_gen for w in (FROM, *far)], float)
        a, r = 0.005 / (kappa * 0.5**2), 2 / kappa
        law = np.log(far / FROM) / (2 * a) if r == 1.0 else (FROM ** (1 - r) - far ** (1 - r)) / (2 * a * (r - 1))
        norm = (far / FROM) ** (1 / kappa)
        second.plot(norm, times[1:] - times[0], color=kappa_colour(kappa))
        second.annotate(
            f"κ = {kappa:g}",
            (norm[-1], law[-1]),
            (0, 4),
            textcoords="offset points",
            ha="right",
            color=kappa_colour(kappa),
        )
        second.plot(norm, law, color="k", ls="--", lw=0.8)
        worst.append(np.abs(times[1:] - times[0] - law).max() / law.max())
    second.set(
        xscale="log",
        xlabel="starting norm (10 nats: 1)",
        title="added flow time",
        xticks=[1, 3, 10, 30],
        xticklabels=["1", "3", "10", "30"],
    )
    second.minorticks_off()

    decays = np.geomspace(1.0, 1e-7, 41)
    for size, style in SIZES.items():
        ends = [tm.steady_state(weight_decay=alpha, dataset_size=size) for alpha in decays]
        gen, mem = (np.array([getattr(end, name) for end in ends]) for name in ("gen_logit", "mem_logit"))
        norm = [end.norm for end in ends]
        third.plot(norm, losses.train_loss(gen + mem, 113), color=COLOURS["train"], ls=style)
        third.plot(norm, losses.test_loss(gen, mem, 113), color=COLOURS["test"], ls=style)
    third.set(yscale="log", ylim=(1e-4, 10), xlabel="norm at rest", title="cross-entropy (nats)")
    for name in ("train", "test"):
        third.plot([], [], color=COLOURS[name], label=name)
    third.legend(loc="lower left")

    scales = TEMPERATURES ** (-1 / 1.2)
    runs = [
        tm.simulate(gen_efficiency=s, mem_efficiency=s / 2, mem_initial_logit=20 / t, t_end=2e4)
        for t, s in zip(TEMPERATURES, scales, strict=True)
    ]
    right.plot(TEMPERATURES, [run.t_gen or np.nan for run in runs], "o-", ms=3, color="k")
    right.set(
        xscale="log", yscale="log", xlabel="output temperature", title=f"flow time, norm {runs[0].mem_norm[0]:.3g}"
    )
    few = list(late)
    return fig, {
        "n": len(DECAYS) * STARTS.size + len(KAPPAS) * (far.size + 1) + len(SIZES) * decays.size + len(runs),
        "kappa": 1.2,
        "least": FROM,
        "slope": float(np.polyfit(np.log(few), np.log([late[alpha] for alpha in few]), 1)[0]),
        "error_of_law": max(worst),
        "bound": FROM ** (1 - 2 / 1.2) / (2 * 0.005 / (1.2 * 0.25) * (2 / 1.2 - 1)),
        "behaviours": [run.behaviour for run in runs],
    }
