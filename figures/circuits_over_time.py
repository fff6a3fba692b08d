"""Gen and Mem in a transformer's logits: over a run that groks, and against data set size after one.

Claim: memorising comes first and gives way to the trigonometric circuit, whose share of the logits rises before test
accuracy does; nets that go on from a grokked one end with a ratio of the two logits that falls with data set size as a
power, as the model says for κ < 2.
Source: Varma et al. 2023, appendices A.3 and A.4; model.md (4.1) and (5.3); experiments.md 2.
"""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import toymodel as tm

from .measured import PROVENANCE, Run, each, number_ticks, provenance, runs, short
from .palette import COLOURS, GREY

DATA = {
    "realnet/grokking.nc": "python -m realnet.reference_runs grokking",
    "validate/standard/base/ungrokking.nc": "make data",
    "validate/standard/base/ungrokking_coupled.nc": "make data",
}
GROKKING, ADAMW, COUPLED = DATA
KEYS = 5
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
SKY, PINK = "#56B4E9", "#CC79A7"
SPREAD = 0.3
RATIO = 4.0
BETA = 0.5
RESAMPLES = 2000

CAPTION = (
    """
Left: addition mod {p}, D = {size} ({share:.0%} of all pairs), weight decay {decay}, {seeds} seeds, a line style each.
Middle row: share of the squared norm of the logits in the trigonometric subspace, the part of it at the {keys} frequencies
that are strongest in the end, and the same part of the embedding. Bottom: mean logit of the right class, projected on that
subspace (Gen) and the rest (Mem); the projection is known to overestimate Gen. Steps to half of each curve's rise, by
seed: trigonometric share {trigonometric}, accuracy {accuracy}, key logits {key_logits}, key embedding {key_embedding}; to
a tenth: {trigonometric_start}, {accuracy_start}, {key_logits_start}, {key_embedding_start}. So the trigonometric share is
half-way before the accuracy in {leads} of {seeds} seeds, the key frequencies of the logits in {keys_lead} and of the
embedding in {embedding_leads}. Vertical lines: half of the accuracy (green) and of the trigonometric share (blue).
Centre: the toy model at the paper's values (κ = {kappa}, weight decay {alpha}, {p} classes, D = {ratio} D_crit) with a
spread σ = {spread}; its share is W_gen²/(W_gen² + W_mem²), and both lines fall together because accuracy is half where
the logits are equal. Right: ratio of the final logits of nets (mod {small_p}) that had grokked on {parent} pairs and went
on with D′, against D′. Solid: least squares of ln ratio on ln D′, which is (D_crit/D′)^ν: {fits}. Dashed: the same
D_crit with the toy's ν = {nu} (κ = {kappa}, β = 1/2). λ: decoupled weight decay, α: coupled. n = {n} networks in all. """
    + PROVENANCE
)


def at_keys(spectrum: np.ndarray) -> np.ndarray:
    """Share (k,) of a spectrum (k, frequency) at the frequencies that are strongest at the run's end."""
    return np.asarray(spectrum[:, np.argsort(spectrum[-1])[-KEYS:]].sum(1))


def risen(step: np.ndarray, curve: np.ndarray, part: float) -> float:
    """Step, between measurements on the log scale, at which the curve has made this part of its way."""
    level = curve[0] + part * (curve[-1] - curve[0])
    after = int(np.argmax(curve >= level))
    near = slice(max(after - 1, 0), after + 1)
    return float(np.exp(np.interp(level, curve[near], np.log(step[near]))))


def _grokking(ds: xr.Dataset, column: tuple[Axes, ...]) -> dict[str, object]:
    """The run that groks, in three panels; its numbers."""
    top, middle, bottom = column
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
            (middle, curves["trigonometric"], COLOURS["gen"], "trigonometric"),
            (middle, curves["key_logits"], SKY, f"{KEYS} key frequencies"),
            (middle, curves["key_embedding"], PINK, f"embedding, {KEYS} keys"),
            (bottom, run.gen_logit.values, COLOURS["gen"], "Gen (projection)"),
            (bottom, run.mem_logit.values, COLOURS["mem"], "Mem (residual)"),
        ):
            axes.plot(step, values, color=colour, ls=style, lw=1, label=label if shown else None)
        for name, curve in curves.items():
            halves.setdefault(name, []).append(round(risen(step, curve, 0.5)))
            starts.setdefault(name, []).append(round(risen(step, curve, 0.1)))
    for axes in column:
        _lines(axes, halves["accuracy"], halves["trigonometric"])
    bottom.set(xscale="log", xlim=(1.0, step[-1]), xlabel="optimizer steps")
    numbers: dict[str, object] = {
        "size": int(ds.dataset_size.item()),
        "decay": float(ds.weight_decay.item()),
        "seeds": ds.sizes["seed"],
        "keys": KEYS,
        **{name: " and ".join(map(str, values)) for name, values in halves.items()},
        **{f"{name}_start": " and ".join(map(str, values)) for name, values in starts.items()},
    }
    for key, name in (("leads", "trigonometric"), ("keys_lead", "key_logits"), ("embedding_leads", "key_embedding")):
        numbers[key] = sum(a < b for a, b in zip(halves[name], halves["accuracy"], strict=True))
    return numbers


def _lines(axes: Axes, accuracy: list[float], share: list[float]) -> None:
    for steps, colour in ((accuracy, COLOURS["test"]), (share, COLOURS["gen"])):
        for step in steps:
            axes.axvline(step, color=colour, lw=0.6, alpha=0.7, zorder=0)


def _toy(model: tm.TwoCircuitModel, column: tuple[Axes, ...]) -> None:
    """The model's run, in the same panels."""
    times = np.geomspace(0.1, 1e3, 600)
    tr = tm.simulate(model, 1e3, times=times)
    share = tr.gen_logit**2 / (tr.gen_logit**2 + tr.mem_logit**2)
    for axes, values, colour in (
        (column[0], tr.train_accuracy, COLOURS["train"]),
        (column[0], tr.test_accuracy, COLOURS["test"]),
        (column[1], share, COLOURS["gen"]),
        (column[2], tr.gen_logit, COLOURS["gen"]),
        (column[2], tr.mem_logit, COLOURS["mem"]),
    ):
        axes.plot(times, values, color=colour, lw=1)
    for axes in column:
        _lines(axes, [risen(times, tr.test_accuracy, 0.5)], [risen(times, share, 0.5)])
    column[2].set(xscale="log", xlim=(0.1, 1e3), xlabel="flow time")


def _power(sizes: np.ndarray, ratio: np.ndarray) -> tuple[float, float]:
    """(ν, D_crit) of (D_crit/D)^ν by least squares of ln ratio on ln D."""
    slope, constant = np.polyfit(np.log(sizes), np.log(ratio), 1)
    return -float(slope), float(np.exp(-constant / slope))


def _ratios(found: list[Run], axes: Axes, nu: float, sign: str) -> str:
    """Ratios of the final logits with their fit, and what the caption says of them."""
    ends = [[float(run.data[name].dropna("step")[-1]) for name in ("gen_logit", "mem_logit")] for run in found]
    gen, mem = np.array(ends).T
    there = (gen > 0.0) & (mem > 0.0)
    ratio = np.where(there, mem, 1.0) / np.where(there, gen, 1.0)
    size, decay, seed = (np.array([r.config[k] for r in found]) for k in ("dataset_size", "weight_decay", "seed"))
    decays = np.unique(decay)
    for value, marker, shift in zip(decays, MARKERS, np.geomspace(0.94, 1.06, decays.size), strict=False):
        shown = there & (decay == value)
        style = {"color": GREY, "mfc": "none", "ms": 3.0, "mew": 0.6, "ls": ""}
        axes.plot(size[shown] * shift, ratio[shown], marker, label=f"{sign} = {short(value)}", **style)
    fit, critical = _power(size[there], ratio[there])
    rng = np.random.default_rng(0)
    seeds, drawn = np.unique(seed), []
    for _ in range(RESAMPLES):
        rows = np.concatenate([np.flatnonzero(there & (seed == s)) for s in rng.choice(seeds, seeds.size)])
        drawn.append(_power(size[rows], ratio[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    fine = np.geomspace(size.min() / 1.2, size.max() * 1.2, 50)
    axes.plot(fine, (critical / fine) ** fit, color="k", lw=1, label=f"fit, ν = {fit:.1f}")
    axes.plot(fine, (critical / fine) ** nu, color="k", lw=1, ls="--", label=f"toy, ν = {nu:.1f}")
    axes.axhline(1.0, color=GREY, lw=0.6, ls=":", zorder=0)
    axes.set(yscale="log", xlim=(fine[0], fine[-1]), ylabel=r"$W_{mem}/W_{gen}$ at the end")
    residual = np.log(ratio[there]) - fit * np.log(critical / size[there])
    left_out = f", {int((~there).sum())} left out with a logit below 0" if not there.all() else ""
    kappa = 2.0 * fit / (2.0 * BETA + fit)
    return (
        f"ν = {fit:.2f} ({low[0]:.2f} to {high[0]:.2f}, 95 % bootstrap over {seeds.size} seeds; κ = {kappa:.2f} if β = "
        f"1/2), D_crit = {critical:.0f} ({low[1]:.0f} to {high[1]:.0f}), scatter {np.std(residual):.2f} in ln ratio, n = "
        f"{int(there.sum())}{left_out}, of which {sum(run.settled for run in found)} are level at the end"
    )


def draw() -> tuple[Figure, dict[str, object]]:
    """Over time, real and toy; against data set size."""
    data = {file: runs(file) for file in DATA}
    fig = plt.figure(figsize=(7.0, 4.0))
    over_time, against_size = fig.subfigures(1, 2, width_ratios=(2.05, 1.0))
    panels = over_time.subplots(3, 2, sharex="col")
    config = next(each(data[GROKKING])).config
    numbers = _grokking(data[GROKKING], tuple(panels[:, 0]))
    model = tm.TwoCircuitModel(logit_spread=SPREAD, num_classes=config["p"])
    model = model.at_dataset_size(RATIO * tm.critical_dataset_size(model))
    _toy(model, tuple(panels[:, 1]))
    for row, what in zip(panels, ("accuracy", "share of squared norm", "logit (nats)"), strict=True):
        row[0].set(ylabel=what)
        row[0].legend(loc="upper left", handlelength=1.2)
    for axes in panels[:2].ravel():
        axes.set(ylim=(-0.03, 1.06), yticks=(0.0, 0.5, 1.0))
    panels[0, 0].set_title("transformer")
    panels[0, 1].set_title("two circuits")
    both = against_size.subplots(2, 1, sharex=True, sharey=True)
    fits, nu = [], tm.sharpness(model)
    for axes, file, title, sign in zip(
        both, (ADAMW, COUPLED), ("AdamW", "Adam, coupled penalty"), ("λ", "α"), strict=True
    ):
        found = list(each(data[file]))
        fits.append(f"{title} {_ratios(found, axes, nu, sign)}")
        axes.set_title(title)
        handles, labels = axes.get_legend_handles_labels()
        lines = axes.legend(handles[-2:], labels[-2:], loc="upper right", handlelength=1.6)
        axes.add_artist(lines)
        axes.legend(handles[:-2], labels[:-2], loc="lower left", handlelength=0.8)
    small = found[0].config
    number_ticks(both[1], [60, 120, 250, 500])
    both[1].set(xlabel="data set size D′ (pairs)")
    return fig, numbers | provenance(*data.values()) | {
        "p": config["p"],
        "share": config["dataset_size"] / config["p"] ** 2,
        "kappa": model.kappa,
        "alpha": model.weight_decay,
        "ratio": RATIO,
        "spread": SPREAD,
        "nu": nu,
        "fits": "; ".join(fits),
        "small_p": small["p"],
        "parent": small["start_from"]["dataset_size"],
    }
