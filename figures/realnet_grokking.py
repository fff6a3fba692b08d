"""A transformer groks at the paper's size: accuracies, key frequencies and the logits of the two circuits.

Claim: the share of the logits that is trigonometric rises before test accuracy does.
Source: Varma et al. 2023, appendix A.3; experiments.md 2.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from .measured import PROVENANCE, provenance, runs
from .palette import COLOURS

DATA = {"realnet/grokking.nc": "python -m realnet.reference_runs grokking"}
KEYS = 5
STYLES = ("-", "--", ":", "-.")

CAPTION = (
    """
Addition mod 113, D = {size} (30 % of all pairs), weight decay {decay}; n = {n} seeds, one line style each. Middle: share
of the squared norm of the logits in the trigonometric subspace, the part of it at the {keys} frequencies that are
strongest in the end, and the same part of the embedding. Bottom: mean logit of the right class, projected on that
subspace (Gen) and the rest (Mem); the projection is known to overestimate Gen. Steps to half of each curve's rise, by
seed: trigonometric share {trigonometric}, accuracy {accuracy}, key logits {key_logits}, key embedding {key_embedding}; to
a tenth: {trigonometric_start}, {accuracy_start}, {key_logits_start}, {key_embedding_start}. So the trigonometric share is
half-way before the accuracy in {leads} of {n} seeds, the key frequencies of the logits in {keys_lead} and of the
embedding in {embedding_leads}. """
    + PROVENANCE
)


def at_keys(spectrum: np.ndarray) -> np.ndarray:
    """Share (k,) of a spectrum (k, frequency) at the frequencies that are strongest at the run's end."""
    return np.asarray(spectrum[:, np.argsort(spectrum[-1])[-KEYS:]].sum(1))


def risen(step: np.ndarray, curve: np.ndarray, part: float) -> int:
    """Step, between measurements on the log scale, at which the curve has made this part of its way."""
    level = curve[0] + part * (curve[-1] - curve[0])
    after = int(np.argmax(curve >= level))
    near = slice(max(after - 1, 0), after + 1)
    return round(float(np.exp(np.interp(level, curve[near], np.log(step[near])))))


def draw() -> tuple[Figure, dict[str, object]]:
    """Accuracies, shares and logits over log steps."""
    ds = runs(next(iter(DATA)))
    fig, (top, middle, bottom) = plt.subplots(3, 1, figsize=(5.5, 6.4), sharex=True, layout="constrained")
    halves: dict[str, list[int]] = {}
    starts: dict[str, list[int]] = {}
    for seed, style in zip(ds.seed.values, STYLES, strict=False):
        run = ds.sel(seed=seed).squeeze()
        run = run.isel(step=run.step.values >= 1)
        step = run.step.values
        curves = {
            "trigonometric": run.gen_share.values,
            "key_logits": at_keys(run.frequency_share.values),
            "key_embedding": at_keys(run.embedding_share.values),
            "accuracy": run.unseen_accuracy.values,
        }
        shown = seed == ds.seed.values[0]
        for axes, values, colour, label in (
            (top, run.train_accuracy.values, COLOURS["train"], "train"),
            (top, curves["accuracy"], COLOURS["test"], "never seen"),
            (middle, curves["trigonometric"], COLOURS["gen"], "logits, all trigonometric"),
            (middle, curves["key_logits"], "#56B4E9", f"logits, {KEYS} final key frequencies"),
            (middle, curves["key_embedding"], "#CC79A7", f"embedding, its {KEYS} final key frequencies"),
            (bottom, run.gen_logit.values, COLOURS["gen"], "Gen (projection)"),
            (bottom, run.mem_logit.values, COLOURS["mem"], "Mem (residual)"),
        ):
            axes.plot(step, values, color=colour, ls=style, label=label if shown else None)
        for name, curve in curves.items():
            halves.setdefault(name, []).append(risen(step, curve, 0.5))
            starts.setdefault(name, []).append(risen(step, curve, 0.1))
    for axes in (top, middle, bottom):
        for half in halves["accuracy"]:
            axes.axvline(half, color=COLOURS["test"], lw=0.8, alpha=0.7)
        for half in halves["trigonometric"]:
            axes.axvline(half, color=COLOURS["gen"], lw=0.8, alpha=0.7)
        axes.legend(loc="upper left")
    top.set(ylabel="accuracy", ylim=(-0.03, 1.05))
    middle.set(ylabel="share of squared norm", ylim=(-0.03, 1.05))
    bottom.set(ylabel="logit of the right class (nats)", xlabel="optimizer steps", xscale="log")
    numbers: dict[str, object] = {
        "size": int(ds.dataset_size.item()),
        "decay": float(ds.weight_decay.item()),
        "keys": KEYS,
        **{name: " and ".join(map(str, values)) for name, values in halves.items()},
        **{f"{name}_start": " and ".join(map(str, values)) for name, values in starts.items()},
    }
    for key, name in (("leads", "trigonometric"), ("keys_lead", "key_logits"), ("embedding_leads", "key_embedding")):
        numbers[key] = sum(a < b for a, b in zip(halves[name], halves["accuracy"], strict=True))
    return fig, numbers | provenance(ds)
