"""Long runs near the threshold do not rest: Gen still grows while accuracy is at chance (paper, figure 6).

Claim: what looks like rest in the never-seen accuracy is motion in the never-seen logit, Gen's.
Source: Varma et al. 2023, section 5.3 and figure 6; P4 and P13 of validate.
"""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from validate.quantities import between, gen_at

from ..palette import GREY, size_colours
from ..study import Study

DATA = ("long/scratch.nc",)
DECAY = 1.0
OFF = 0.1  # accuracy above which a network has left chance

CAPTION = """
Addition mod {p} from random initialisation near the threshold, AdamW, λ = {decay}, {steps} steps, n = {n} networks.
Left: accuracy outside the training set: {gone} generalise (0.9), {rest} rest between chance + 0.05 and that. Right: the
right logit outside the training set, W_gen (projected logit less what Mem adds to it). In the {still} networks still
below {off} at the end it rose by {rise} nats over the last decade of steps. Dotted: chance; no logit.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Accuracy and Gen's logit over log steps."""
    runs = [run for run in study.runs("long/scratch") if run.config["weight_decay"] == DECAY]
    table = study.tables("long/scratch")
    table = table[table.weight_decay == DECAY]
    colours = size_colours(table.dataset_size)
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.6))
    rises = []
    for run in runs:
        step, gen, _ = run.circuits()
        colour = colours[run.config["dataset_size"]]
        left.plot(run.step[1:], run.test[1:], color=colour, lw=0.9)
        right.plot(step[step > 0], gen[step > 0], color=colour, lw=0.9)
        if run.tenth(run.test) < OFF:
            rises.append(gen_at(run, step[-1]) - gen_at(run, 0.1 * step[-1]))
    for size, colour in colours.items():
        left.plot([], [], color=colour, label=f"D = {size:g}")
    for axes, level in ((left, 1.0 / table.p.iloc[0]), (right, 0.0)):
        axes.axhline(level, color=GREY, ls=":", lw=0.9, zorder=0)
        axes.set(xscale="log", xlim=(200, table.steps.max()), xlabel="optimizer steps")
    left.set(ylabel="accuracy outside D", ylim=(-0.03, 1.05))
    right.set(ylabel=r"$W_\mathrm{gen}$ (nats)", ylim=(-12, 42))
    left.legend(loc="upper left")
    return fig, {
        "n": len(runs),
        "p": int(table.p.iloc[0]),
        "decay": DECAY,
        "steps": int(table.steps.max()),
        "gone": int((table.test >= 0.9).sum()),
        "rest": int((between(table) & table.rests).sum()) or "none",
        "still": len(rises),
        "off": OFF,
        "rise": f"{min(rises):.1f} to {max(rises):.1f}" if rises else "no",
    }
