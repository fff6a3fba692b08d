"""The picture of `validate run --net`: python -m figures own runs/validate/own-mine.

Left, each seed's accuracy after examples were taken away, with the three estimates of D_crit; right, the margins of these
networks and the law that one estimate extends to 0 (toymodel/README.md, 8.3), fitted to the filled points.
"""

import io
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from .lines import number_axis
from .palette import COLOURS, CRITICAL, GREY
from .render import write_whole

__all__ = ["write"]

HELD_OUT, CIRCUITS = COLOURS["test"], (COLOURS["gen"], COLOURS["mem"])
LEAST_SHARE = 0.6
"""Share of the training margin from which on the line is held to hold"""


def write(folder: Path) -> Path:
    """Writes own.png beside own.json; its path.  FileNotFoundError where there is no answer."""
    path = folder / "own.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} must hold own.json. Make it: python -m validate run --net mine.toml")
    answer = json.loads(path.read_text(encoding="utf-8"))
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.4), layout="constrained")
    _accuracies(left, answer)
    _margins(right, answer)
    fig.suptitle(f"{answer['net']['task']}: {CRITICAL} {_told(answer['critical_size'])}", fontsize="medium")
    picture = io.BytesIO()
    fig.savefig(picture, format="png", dpi=150)
    plt.close(fig)
    write_whole(path.with_suffix(".png"), picture.getvalue())
    return path.with_suffix(".png")


def _told(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return "not found"
    low, high = ("?" if found[end] is None else f"{found[end]:.0f}" for end in ("low", "high"))
    return f"= {found['value']:.0f} ({low} to {high}, n = {found['seeds']} seeds)"


def _accuracies(axes: Axes, answer: dict[str, Any]) -> None:
    runs = answer["runs"]
    for seed in sorted({run["seed"] for run in runs}):
        own = sorted((run["dataset_size"], run["test"]) for run in runs if run["seed"] == seed)
        axes.plot(*zip(*own, strict=True), "o-", color=HELD_OUT, ms=3, lw=0.8, alpha=0.6)
    axes.axhline(0.5 * (1.0 + answer["chance"]), color=GREY, lw=0.8, ls=":")
    estimates = {
        "bisection": answer["critical_size"],
        "margins": answer["margins"],
        "equal norms": answer["efficiency"],
    }
    for place, ((name, found), colour) in enumerate(zip(estimates.items(), ("k", *CIRCUITS), strict=True)):
        if isinstance(found, dict) and found["value"] is not None:
            axes.axvline(found["value"], color=colour, lw=1.2, label=f"{name}: {found['value']:.0f}")
            ends, height = [found["low"], found["high"]], 0.03 + 0.035 * place
            if None not in ends:
                axes.plot(ends, [height] * 2, color=colour, lw=3, transform=axes.get_xaxis_transform())
    number_axis(axes.xaxis, (run["dataset_size"] for run in runs))
    axes.set(xlabel="training examples D′", ylabel="accuracy outside D′", ylim=(-0.02, 1.04))
    axes.legend(title=CRITICAL, frameon=False, loc="center right", fontsize="small", title_fontsize="small")


def _margins(axes: Axes, answer: dict[str, Any]) -> None:
    pairs = [(run["dataset_size"], run["train_margin"], run["unseen_margin"]) for run in answer["runs"]]
    size, t, u = np.array([pair for pair in pairs if None not in pair and pair[1] > 0], float).reshape(-1, 3).T
    used = u / t >= LEAST_SHARE
    for there, face in ((used, COLOURS["gen"]), (~used, "white")):
        axes.plot(size[there], (u / t)[there], "o", color=COLOURS["gen"], mfc=face, ms=4)
    if isinstance(answer["margins"], dict):
        critical, scale = answer["margins"]["value"], answer["margins"]["scale"]
        x = np.geomspace(critical, size.max(), 200)
        axes.plot(x, (x - critical) / (x - critical + scale), color=COLOURS["gen"], lw=1)
        axes.plot(critical, 0.0, "o", color="k", ms=5, clip_on=False, label=f"{CRITICAL} = {critical:.0f}")
        axes.legend(frameon=False, loc="lower right")
    number_axis(axes.xaxis, size)
    axes.set(xlabel="training examples D′", ylabel="u / t, margins outside and on D′", ylim=(min(0.0, *(u / t)), 1.05))
