"""Measures of the rival theory find the number behind synthetic runs; verdicts turn where it leaves the region."""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from realnet import RunConfig
from validate.experiments.omnigrok import ADDITION, DIGITS, EDGE, MOLECULES, TEACHER, TEXT
from validate.measured import MissingResult, Run
from validate.prediction import Basis, Column, judge
from validate.predictions import OMNIGROK
from validate.predictions.omnigrok.curves import BASE, bottom, delays, rows
from validate.predictions.omnigrok.o05_forecast import forecasts, norm_at_level
from validate.predictions.omnigrok.o07_scale import FACTORS, parts
from validate.predictions.shared import weaker

NETS = {"teacher": TEACHER, "addition": ADDITION, "digits": DIGITS, "text": TEXT, "molecules": MOLECULES, "edge": EDGE}
BOTTOM = 10.0
"""Norm at which test loss is least"""


class Saved(dict[str, list[Run]]):
    """Stands for validate.measured.Results."""

    folder = Path("here")

    def runs(self, name: str) -> list[Run]:
        return self[name]


def run(net: RunConfig, t_fit: float, t_gen: float, norm: float = 20.0, status: str = "finished", **ends: float) -> Run:
    """A run that has fitted and generalised at these steps; inf for never. Norm decays at rate × decay."""
    config = asdict(net)
    moments = [t - d for t in (t_fit, t_gen) for d in (1.0, 0.0) if 1 <= t <= net.steps]
    step = np.unique(np.concatenate([np.linspace(0, net.steps, 201), moments]))
    accuracy = {
        "train": np.where(step >= t_fit, 1.0, 0.5),
        "unseen": np.where(step >= t_gen, ends.get("test", 1.0), 0.1),
    }
    loss = {"train": np.where(step >= t_fit, ends.get("train_loss", 0.01), 5.0),
            "unseen": np.where(step >= t_gen, ends.get("test_loss", 0.1), ends.get("test_loss", 5.0))}  # fmt: skip
    norms = norm * np.exp(-net.learning_rate * net.weight_decay * step * (not net.fixed_norm))
    curves = {f"{k}_accuracy": v for k, v in accuracy.items()} | {f"{k}_loss": v for k, v in loss.items()}
    # A network at rest under the penalty: it balances the loss along the weights.
    curves |= {"norm": norms, "effective_weight_decay": np.full(len(step), net.weight_decay)}
    full = xr.Dataset({k: ("step", v) for k, v in curves.items()}, {"step": step})
    nothing = np.full(len(step), math.nan)
    return Run(config, status, step, *accuracy.values(), nothing, *loss.values(), norms, full)


def landscape(name: str, seed: int, depth: float = 3.0, rise: float = 0.0, delay: float = 1.1) -> list[Run]:
    """A U in ln loss, and train loss that falls to 0 and regains `rise`, over nine norms about BOTTOM."""
    found = []
    for alpha in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.6, 4.0, 10.0):
        x = math.log(alpha)
        train = max(0.0, -x) + (rise * math.log(10) if alpha == 10 else 0.0) + 1e-6
        net = replace(NETS[name], fixed_norm=True, init_scale=alpha, seed=seed, weight_decay=0.0, steps=2000)
        ends = {"train_loss": train, "test_loss": 1e-3 * math.exp(depth * x**2)}
        found.append(run(net, 100.0, 100.0 * delay if alpha <= 2 else math.inf, BOTTOM * alpha, **ends))
    return found


def free(name: str, seed: int, alpha: float, decay: float, t_fit: float, t_gen: float, **fields: Any) -> Run:
    net = replace(
        NETS[name], init_scale=alpha, weight_decay=decay, seed=seed, steps=fields.pop("steps", 20_000), **fields
    )
    return run(net, t_fit, t_gen, BOTTOM * alpha)


def test_a_task_without_accuracy_has_losses_and_times_all_the_same() -> None:
    bare = run(replace(MOLECULES, steps=2000), 100.0, 300.0)
    nothing = np.full(len(bare.step), math.nan)
    full = bare.full.drop_vars(["train_accuracy", "unseen_accuracy"])
    full = full.assign({name: ("step", nothing) for name in ("train_accuracy", "unseen_accuracy")})
    saved = Saved({"molecules/landscape": [replace(bare, train=nothing, unseen=nothing, full=full)]})
    (row,) = rows(saved, "molecules/landscape").to_dict("records")  # type: ignore[arg-type]
    assert math.isnan(row["train"])
    assert math.isnan(row["test"])
    assert (row["train_loss"], row["test_loss"]) == pytest.approx((0.01, 0.1))
    assert (row["t_fit"], row["t_gen"]) == pytest.approx((100.0, 300.0), abs=1.0)


def column(id: str, saved: Saved, name: str) -> Column:
    return judge(OMNIGROK[id], saved).columns[name]  # type: ignore[arg-type]


def values(found: Column) -> list[float]:
    return [f.estimate.interval.value for f in found.findings]


# --- Landscapes ----------------------------------------------------------------------------------------------------------


def test_the_bottom_of_a_parabola_is_found_between_norms() -> None:
    norm = np.array([1.0, 2.0, 4.0, 8.0])
    assert math.exp(bottom(norm, np.exp(np.log(norm / 3.0) ** 2))) == pytest.approx(3.0)
    assert math.isnan(bottom(norm, norm))
    assert math.isnan(bottom(norm, 1 / norm))


@pytest.mark.parametrize("name", BASE)
@pytest.mark.parametrize(
    ("depth", "rise", "verdict"), [(1.0, 0.0, "confirmed"), (0.02, 0.0, "refuted"), (1.0, 0.5, "refuted")]
)
def test_an_l_and_a_u_are_told_from_others(name: str, depth: float, rise: float, verdict: str) -> None:
    saved = Saved({f"{name}/landscape": [r for s in range(3) for r in landscape(name, s, depth, rise)]})
    found = column("O1", saved, name)
    assert found.verdict == verdict
    assert values(found) == pytest.approx([depth * math.log(10) ** 2, rise], rel=1e-3, abs=1e-3)
    norms = next(e for n, e in found.beside.items() if n == "ln norm at the bottom")
    assert norms.interval.value == pytest.approx(math.log(BOTTOM), abs=0.02)


def test_a_narrow_range_of_norms_shows_no_u() -> None:
    few = [r for s in range(3) for r in landscape("addition", s) if r.config["init_scale"] > 0.5]
    saved = Saved({"addition/landscape": [r for r in few if r.config["init_scale"] < 4]})
    assert column("O1", saved, "addition").findings[0].estimate.note == "norms must span a factor of 9.5"


def test_unfinished_runs_do_not_count_and_nothing_is_missing_results() -> None:
    runs = landscape("teacher", 0)
    saved = Saved({"teacher/landscape": [*runs, run(replace(TEACHER, seed=9), 1, 2, status="running")]})
    assert len(rows(saved, "teacher/landscape")) == len(runs)  # type: ignore[arg-type]
    with pytest.raises(MissingResult, match="text/free"):
        rows(saved, "text/free")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted({name for p in OMNIGROK.values() for name in p.experiments}))
def test_one_run_alone_decides_nothing_and_breaks_nothing(name: str) -> None:
    setting, _, kind = name.partition("/")
    net = replace(NETS[setting.removesuffix("-113")], steps=1000, seed=1)
    for found in (math.inf, 20.0):
        saved = Saved({name: [run(replace(net, fixed_norm=kind == "landscape"), found, found)]})
        assert {judge(p, saved).verdict for p in OMNIGROK.values()} <= {"inconclusive", "not tested"}  # type: ignore[arg-type]


# --- Times ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("power", "verdict"), [(-0.95, "confirmed"), (-0.5, "refuted"), (-1.4, "refuted")])
@pytest.mark.parametrize("name", ["teacher", "digits", "addition"])
def test_exponents_on_weight_decay(name: str, power: float, verdict: str) -> None:
    alpha = BASE[name]["large"]
    runs = [free(name, s, alpha, d, 100.0, (1500.0 + 50 * s) * d**power) for s in range(4) for d in (0.3, 0.5, 1.0)]
    found = column("O2a", Saved({f"{name}/free": runs}), name)
    assert found.verdict == verdict
    assert values(found) == pytest.approx([power, 0.0], abs=0.05)


@pytest.mark.parametrize(("times", "verdict"), [([math.inf] * 6, "confirmed"), ([900.0] * 6, "refuted")])
def test_without_decay_never(times: list[float], verdict: str) -> None:
    runs = [free("teacher", s, 2.0, 0.0, 100.0, t) for s, t in enumerate(times)]
    assert column("O2b", Saved({"teacher/free": runs}), "teacher").verdict == verdict


@pytest.mark.parametrize(("large", "small", "verdict"),
                         [(5000, 200, "confirmed"), (200, 200, "refuted"), (5000, 2000, "refuted"),
                          (math.inf, 200, "inconclusive")])  # fmt: skip
@pytest.mark.parametrize("name", BASE)
def test_delays_from_large_and_small_starts(name: str, large: float, small: float, verdict: str) -> None:
    b = BASE[name]
    runs = [free(name, s, b[a], b[d], 100.0, t + 5 * s)
            for s in range(3) for a, d, t in (("large", "decay", large), ("small", "small_decay", small))]  # fmt: skip
    assert column("O3", Saved({f"{name}/free": runs}), name).verdict == verdict


def test_a_run_that_never_generalises_is_a_bound() -> None:
    table = pd.DataFrame(
        {"seed": [0, 1, 2], "steps": 1000, "t_fit": [10.0, 0.2, math.nan], "t_gen": [100.0, math.nan, 5.0]}
    )
    value, basis = delays(table)
    assert value[:2].tolist() == pytest.approx([math.log(10), math.log(1000)])
    assert basis == Basis(3, 2)  # one that never generalises, one that never fits


def test_what_moves_most_of_two_decides_how_much_moves() -> None:
    assert weaker(Basis(30, 10), Basis(4, 3), Basis(0, 0)) == Basis(4, 3)


@pytest.mark.parametrize(("held", "verdict"), [(1.1, "confirmed"), (8.0, "refuted")])
def test_a_held_norm(held: float, verdict: str) -> None:
    saved = Saved({"addition/landscape": [r for s in range(3) for r in landscape("addition", s, delay=held)],
                   "addition/free": [free("addition", s, 1.0, 1.0, 100.0, 2000.0 + s) for s in range(3)]})  # fmt: skip
    found = column("O4", saved, "addition")
    assert found.verdict == verdict
    assert values(found) == pytest.approx([math.log(held), math.log(20)], abs=0.06)


# --- Forecasts -----------------------------------------------------------------------------------------------------------


def lu_runs(factor: float) -> Saved:
    """Free runs that generalise `factor` times later than the norm reaches the bottom."""
    pace = TEACHER.learning_rate
    runs = [free("teacher", s, 2.0, d, 140.0, factor * math.log(2) / (d * pace), steps=90_000)
            for s in range(3) for d in (0.1, 0.3, 1.0)]  # fmt: skip
    return Saved({"teacher/free": runs, "teacher/landscape": [r for s in range(3) for r in landscape("teacher", s)]})


@pytest.mark.parametrize(("factor", "verdict"), [(1.1, "confirmed"), (2.0, "refuted"), (0.4, "refuted")])
def test_the_lu_forecast(factor: float, verdict: str) -> None:
    found = column("O5", lu_runs(factor), "teacher")
    assert found.verdict == verdict
    assert values(found)[0] == pytest.approx(abs(math.log(factor)), abs=0.06)
    signed = found.beside["ln(LU forecast / time to generalise)"]
    assert signed.interval.value == pytest.approx(-math.log(factor), abs=0.06)
    table = pd.DataFrame(found.tables["forecasts"])
    fit = 140 + (math.log(20) - 1e-3 * 0.3 * 140 * table.weight_decay - math.log(10)) / (table.weight_decay * 3e-4)
    assert table.lu_from_fit_time.to_numpy() == pytest.approx(fit.to_numpy(), rel=0.02)
    toy = found.beside["the two-circuit toy's time"]
    assert math.isnan(toy.interval.value)
    assert "the toy has no number" in toy.note


def test_the_norm_law_forecasts_runs_that_obey_it_and_knows_no_run_itself() -> None:
    decay = np.array([0.1, 0.3, 1.0])
    pace = 1e-3
    table = pd.DataFrame({"seed": 0, "weight_decay": decay, "learning_rate": pace, "t_fit": 100.0, "start_norm": 20.0,
                          "norm_at_fit": 18.0, "norm_at_gen": 9.0,
                          "t_gen": 100 + math.log(4) / (2 * 1.7 * pace * decay)})  # fmt: skip
    held = rows(Saved({"teacher/landscape": landscape("teacher", 0)}), "teacher/landscape")  # type: ignore[arg-type]
    assert forecasts(table, held, 0.95).norm_law.tolist() == pytest.approx([0.0] * 3, abs=1e-9)
    table.loc[0, "t_gen"] *= 5  # a run's own time is not in its forecast
    assert forecasts(table, held, 0.95).norm_law[0] == pytest.approx(-math.log(5), abs=1e-9)


def test_the_largest_norm_that_generalises() -> None:
    norm, test = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.2, 1.0, 0.9, 0.5])
    assert math.exp(norm_at_level(norm, test, 0.7)) == pytest.approx(4 * 2**0.5)
    assert math.isnan(norm_at_level(norm, test, 1.1))
    assert math.isnan(norm_at_level(norm, test, 0.5))


# --- Norm against scale, and steps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("norm", "scale", "verdict"), [(0.2, 1.5, "confirmed"), (1.5, 0.2, "refuted")])
@pytest.mark.parametrize("name", ["addition", "teacher", "digits"])
def test_norm_and_scale_are_told_apart(name: str, norm: float, scale: float, verdict: str) -> None:
    low, high, degree = {"addition": (1.0, 1.3, 4), "teacher": (1.0, 2.0, 3), "digits": (1.0, 9.0, 3)}[name]
    up = (high / low) ** degree
    cells = ((low, 1.0, 0, 0), (low, 1 / up, 0, 1), (high, up, 1, 0), (high, 1.0, 1, 1))
    decay = 0.0 if name == "addition" else 0.1
    runs = [free(name, s, a, decay, 50.0, 1500 * math.exp(norm * n + scale * k + 0.05 * s), temperature=t)
            for s in range(3) for a, t, n, k in cells]  # fmt: skip
    large = [r for r in runs if r.config["init_scale"] == high and r.config["temperature"] == 1]
    two = runs if name == "addition" else [r for r in runs if r not in large]
    found = column("O7", Saved({f"{name}/scale": two, f"{name}/free": large}), name)
    assert found.verdict == verdict
    assert values(found)[0] == pytest.approx(scale - norm, abs=0.05)
    factors = [found.beside[FACTORS[part]].interval.value for part in ("scale", "norm", "both")]
    assert factors == pytest.approx([math.exp(scale), math.exp(norm), 1.0], rel=0.05)


def test_runs_that_never_generalise_leave_norm_and_scale_open() -> None:
    cells = ((1.0, 1.0, 900.0), (1.0, 1 / 8, math.inf), (2.0, 8.0, 900.0), (2.0, 1.0, math.inf))
    runs = [free("teacher", s, a, 0.1, 50.0, t_gen + s, temperature=t) for s in range(3) for a, t, t_gen in cells]
    saved = Saved({"teacher/scale": runs[:-1], "teacher/free": runs[-1:]})
    (found,) = column("O7", saved, "teacher").findings
    assert (found.estimate.basis, found.verdict) == (Basis(12, 6), "inconclusive")
    assert found.estimate.interval.low > 0  # by the numbers alone it would be confirmed


def test_norm_and_scale_that_delay_only_together() -> None:
    cells = pd.DataFrame(
        {"init_scale": [1.0, 1.0, 2.0, 2.0], "temperature": [1.0, 1 / 8, 8.0, 1.0], "seed": 0, "steps": 9e9}
    )
    found = parts(cells.assign(t_gen=[7.0, 7.0, 7.0, 7.0 * math.e**2]), 3).iloc[0]
    assert found[["norm", "scale", "both"]].tolist() == pytest.approx([1.0, 1.0, 1.0])
    # Order of cells: small norm with small and with large outputs, then large norm with both.
    e = math.e
    found = parts(cells.assign(t_gen=[7, 7 * e**3, 7 * e**0.5, 7 * e**3.5]), 3).iloc[0]
    assert found[["norm", "scale", "both"]].tolist() == pytest.approx([0.5, 3.0, 0.0])


def test_a_seed_without_all_four_cells_has_no_effects() -> None:
    table = pd.DataFrame(
        {"init_scale": [1.0, 2.0, 2.0], "temperature": [1.0, 1.0, 8.0], "seed": 0, "t_gen": 5.0, "steps": 9}
    )
    assert parts(table, 3).empty


@pytest.mark.parametrize(
    ("left", "fit", "verdict"), [(0.2, 500, "confirmed"), (0.9, 500, "refuted"), (0.2, 110, "refuted")]
)
@pytest.mark.parametrize("name", ["teacher", "digits"])
def test_effective_steps(name: str, left: float, fit: float, verdict: str) -> None:
    alpha = BASE[name]["large"]
    runs, faster = [], []
    for s in range(3):
        gen = fit * 20 + 10 * s
        runs += [free(name, s, alpha, 0.1, fit, gen), free(name, s, 1.0, 0.1, 100.0, 1000.0 + s)]
        faster.append(free(name, s, alpha, 0.1 / alpha, fit, fit * (gen / fit) ** left, learning_rate=1e-2))
    if name == "teacher":
        faster += [free(name, s, alpha, 3e-4, 100.0, 300.0 + s, optimizer="sgd") for s in range(3)]
    found = column("O8", Saved({f"{name}/free": runs, f"{name}/step": faster}), name)
    assert found.verdict == verdict
    assert values(found)[0] == pytest.approx(1 - left, abs=0.1)
    assert ("ln(t_gen/t_fit), SGD" in found.beside) == (name == "teacher")


# --- Digits, collapse ----------------------------------------------------------------------------------------------------


def digits(
    gen: float = 0.02, mem: float = 0.3, chance: bool = True, shift: float = 1.0, drift: float = 0.0, met: float = 0.0
) -> Saved:
    """Norms ∝ D^gen and D^mem at a common loss, meeting at 200 digits; accuracy falls there, times `shift`.

    drift    what ln norm still falls by over the run
    met      held-out margin as a share of the training margin; 0 for none measured
    """
    net = replace(DIGITS, loss="cross_entropy", optimizer="adam", steps=1000)
    saved = Saved()
    for kind, power in (("generalising", gen), ("memorising", mem)):
        saved[f"digits/{kind}_coupled"] = [
            run(replace(net, dataset_size=d, weight_decay=w, seed=s), 10, 20, (30.0 + s) * (d / 200) ** power * w**-0.1,
                train_loss=10 * w)
            for d in (100, 300, 1000) for w in (3e-4, 3e-3) for s in range(3)]  # fmt: skip
        for r in saved[f"digits/{kind}_coupled"]:
            r.norm[:] = r.norm[0] * np.exp(-drift * r.step / r.step[-1])
            r.full["norm"][:] = r.norm
            if met:
                r.full["train_margin"], r.full["unseen_margin"] = (
                    ("step", 8 + 0 * r.step),
                    ("step", 8 * met + 0 * r.step),
                )
    least = 0.1 if chance else 0.6
    ends = {10: least, 30: least, 100: 0.15 if shift == 1 else 0.3, 300: 0.85, 1000: 0.95}
    saved["digits/ungrokking_coupled"] = [
        run(replace(net, dataset_size=round(d * shift), seed=s), 0, 0, test=min(1.0, t + 0.005 * s))
        for d, t in ends.items() for s in range(3)]  # fmt: skip
    return saved


@pytest.mark.parametrize(("id", "fields", "verdict"), [
    ("O9a", {}, "confirmed"), ("O9a", {"gen": 0.25}, "refuted"), ("O9a", {"mem": -0.2}, "refuted"),
    ("O9b", {}, "confirmed"), ("O9b", {"chance": False}, "refuted"),
    ("O9c", {}, "confirmed"), ("O9c", {"shift": 5.0}, "refuted"),
    ("O9a", {"drift": 0.02}, "confirmed"), ("O9a", {"drift": 0.1}, "inconclusive"), ("O9c", {"drift": 0.1}, "inconclusive"),
])  # fmt: skip
def test_efficiency_on_digits(id: str, fields: dict[str, Any], verdict: str) -> None:
    assert column(id, digits(**fields), "digits").verdict == verdict


@pytest.mark.parametrize(
    ("float32", "stablemax", "verdict"), [(0.4, 0.9, "confirmed"), (0.4, 0.2, "refuted"), (0.1, 0.9, "refuted")]
)
def test_collapse_and_its_remedies(float32: float, stablemax: float, verdict: str) -> None:
    kinds = [({"loss": "softmax", "options": {"softmax_dtype": f"float{b}"}}, t)
             for b, t in ((16, 0.2), (32, float32), (64, 0.6))]  # fmt: skip
    kinds += [({"loss": "stablemax"}, stablemax), ({"loss": "softmax", "gradient_filter": "perpendicular"}, 0.95)]
    runs = [run(replace(EDGE, seed=s, **k), 10, 20, test=t + 0.01 * s) for k, t in kinds for s in range(3)]  # type: ignore[arg-type]
    assert column("O10", Saved({"edge/collapse": runs}), "edge").verdict == verdict


def test_unlearning_is_compared_seed_by_seed_whichever_seeds_there_are() -> None:
    whole = digits()
    part = Saved(
        {k: [r for r in v if k != "digits/ungrokking_coupled" or r.config["seed"] != 0] for k, v in whole.items()}
    )
    (one,), (other,) = (column("O9c", saved, "digits").findings for saved in (whole, part))
    assert (one.estimate.interval.n, other.estimate.interval.n) == (3, 2)
    assert values(column("O9c", part, "digits")) == pytest.approx(values(column("O9c", whole, "digits")), abs=0.01)


@pytest.mark.parametrize(("met", "remarks"), [(0.6, 1), (1.0, 0), (0.0, 0)])
def test_a_digit_that_is_not_had_for_nothing_is_remarked_on(met: float, remarks: int) -> None:
    found = column("O9a", digits(met=met), "digits")
    assert len(found.remarks) == remarks
    ratios = [e.interval.value for name, e in found.beside.items() if name.startswith("held-out margin")]
    assert ratios == pytest.approx([met or math.nan] * 3, nan_ok=True)


def test_a_seed_whose_digits_are_never_unlearned_is_a_bound() -> None:
    saved = digits()
    kept = [replace(r, unseen=0.97 + 0 * r.step, full=r.full.assign(unseen_accuracy=("step", 0.97 + 0 * r.step)))
            if r.config["seed"] == 2 else r for r in saved["digits/ungrokking_coupled"]]  # fmt: skip
    (found,) = column("O9c", Saved({**saved, "digits/ungrokking_coupled": kept}), "digits").findings
    assert (found.estimate.interval.n, found.estimate.note.endswith("1 of 3 seeds are bounds")) == (3, True)


@pytest.mark.parametrize("name", ["teacher", "molecules"])
def test_ends_of_runs_that_still_move_decide_nothing(name: str) -> None:
    runs = [r for s in range(3) for r in landscape(name, s)]
    for r in runs:
        late = r.step > 0.8 * r.step[-1]
        r.unseen[late] -= 0.03
        r.unseen_loss[late] *= 1.06
    assert column("O1", Saved({f"{name}/landscape": runs}), name).verdict == "inconclusive"
