"""How a Trajectory draws itself."""

from typing import TYPE_CHECKING

from .trajectory import Trajectory

if TYPE_CHECKING:
    import matplotlib.figure

# One colour, one meaning, in every picture of the project (Okabe-Ito, safe for colour-blind readers).
COLOURS = {"gen": "#0072B2", "mem": "#D55E00", "train": "#000000", "test": "#009E73"}


def plot_trajectory(tr: Trajectory, against: str = "time") -> "matplotlib.figure.Figure":
    """Three panels over log time: losses (nats), logits (nats), norms.  Event times are marked."""
    import matplotlib.pyplot as plt

    x, unit = (tr.time, "flow time") if against == "time" else (tr.step, "gradient steps")
    scale = 1.0 if against == "time" else 1.0 / tr.learning_rate
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3.0), layout="constrained")
    left.plot(x, tr.train_loss, color=COLOURS["train"], label="train")
    left.plot(x, tr.test_loss, color=COLOURS["test"], ls="--", label="test")
    left.set(ylabel="cross-entropy (nats)", yscale="log")
    for axes, quantity, name in ((middle, tr.logits, "logit (nats)"), (right, tr.norms, "parameter norm")):
        for k, label in enumerate(tr.model.labels):
            kind = label.rstrip("0123456789")
            alike = [c for c in tr.model.labels if c.startswith(kind)]
            shade = (alike.index(label) + 1) / len(alike)
            axes.plot(x, quantity[:, k], color=COLOURS[kind], alpha=0.3 + 0.7 * shade, label=label.capitalize())
        axes.set(ylabel=name)
    for axes in (left, middle, right):
        axes.set(xlabel=unit)
        if x.size > 1:
            axes.set(xscale="log", xlim=(max(x[1], 1e-4 * x[-1]), x[-1]))
        for event, style in ((tr.t_fit, ":"), (tr.t_gen, "-.")):
            if event:
                axes.axvline(event * scale, color="0.6", lw=0.8, ls=style)
        axes.legend(frameon=False)
    fig.suptitle(f"{tr.behaviour} ({tr.method}); dotted: fits, dash-dotted: generalises", fontsize="medium")
    return fig
