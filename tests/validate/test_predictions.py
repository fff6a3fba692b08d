"""A prediction finds the number behind it, and its verdict turns where the truth leaves the region."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.validate.laboratory import (
    CLASSES,
    MARGIN_OF_GEN,
    MARGIN_OF_MEM,
    NUMBERS,
    SHARING,
    Lab,
    mixtures,
    row,
    singles,
)
from validate.measured import PROTOCOLS
from validate.prediction import Criterion, Estimate, Prediction, Verdict, find, judge
from validate.predictions import PREDICTIONS
from validate.predictions.p08_critical_size import BALANCES
from validate.predictions.shared import accuracy_at, apart, moving, thresholds
from validate.statistics.intervals import Interval, welch


def judged(id: str, lab: Lab) -> Verdict:
    return judge(PREDICTIONS[id], lab)  # type: ignore[arg-type]


def value(verdict: Verdict, protocol: str = "coupled", which: int = 0) -> float:
    return verdict.columns[protocol].findings[which].estimate.interval.value


# --- The rule ------------------------------------------------------------------------------------------------------------

RULE = Criterion("number", "1", -0.1, 0.2)


@pytest.mark.parametrize(
    ("low", "high", "n", "verdict"),
    [
        (-0.1, 0.2, 3, "confirmed"),
        (-0.11, 0.2, 3, "inconclusive"),
        (-0.1, 0.21, 3, "inconclusive"),
        (0.21, 0.3, 3, "refuted"),
        (-0.3, -0.11, 3, "refuted"),
        (0.0, 0.1, 2, "inconclusive"),
    ],
)
def test_where_the_interval_lies_decides(low: float, high: float, n: int, verdict: str) -> None:
    assert find(RULE, Estimate(Interval((low + high) / 2, low, high, n), 9)).verdict == verdict


@pytest.mark.parametrize(("moving", "verdict"), [(3, "confirmed"), (4, "inconclusive")])
def test_too_many_moving_runs_decide_nothing(moving: int, verdict: str) -> None:
    assert find(RULE, Estimate(Interval(0.0, -0.05, 0.05, 9), 9, moving)).verdict == verdict


def test_every_prediction_says_where_it_is_claimed_and_what_its_rule_can_do() -> None:
    for p in PREDICTIONS.values():
        assert p.decides in PROTOCOLS
        assert all((p.claimed | p.unclaimed).values())
        assert all(c.why and c.spread > 0 for c in p.criteria), p.id
    assert list(PREDICTIONS) == [
        "P1a",
        "P1b",
        *(f"P{i}" for i in range(2, 8)),
        "P8a",
        "P8b",
        *(f"P{i}" for i in range(9, 15)),
    ]


def test_rules_have_power() -> None:
    weak = {p.id: round(c.power(), 2) for p in PREDICTIONS.values() for c in p.criteria if c.power() < 0.8}
    assert set(weak) <= {"P5", "P7", "P8b", "P14"}, weak


def test_a_prediction_must_speak_of_both_protocols() -> None:
    with pytest.raises(ValueError, match="coupled, AdamW"):
        Prediction("P0", "", "", "", {"coupled": "x"}, {}, (), (), lambda r, p: None)  # type: ignore[arg-type,return-value]


def test_what_is_not_trained_is_not_measured() -> None:
    for id in PREDICTIONS:
        found = judged(id, Lab())
        assert found.verdict == "inconclusive"
        assert {c.verdict for c in found.columns.values()} == {"not measured"}


# --- Single circuits -----------------------------------------------------------------------------------------------------


@pytest.fixture
def lab() -> Lab:
    found = Lab()
    singles(found, noise=0.003)
    mixtures(found)
    mixtures(found, "base/ungrokking_coupled", seeds=5)
    return found


def test_p1_measures_both_slopes(lab: Lab) -> None:
    gen, mem = judged("P1a", lab), judged("P1b", lab)
    assert (gen.verdict, mem.verdict) == ("confirmed", "confirmed")
    assert value(gen) == pytest.approx(0.0, abs=0.01)
    assert value(mem) == pytest.approx(-NUMBERS.beta, abs=0.01)


def test_p1b_is_refuted_where_mems_efficiency_rises() -> None:
    lab = Lab()
    singles(lab, NUMBERS._replace(beta=-0.2), noise=0.003)
    found = judged("P1b", lab)
    assert found.verdict == "refuted"
    assert value(found) == pytest.approx(0.2, abs=0.01)


def test_p9_measures_the_misfit() -> None:
    for noise, verdict in ((0.004, "confirmed"), (0.05, "refuted")):
        lab = Lab()
        singles(lab, noise=noise)
        found = judged("P9", lab)
        assert found.verdict == verdict
        assert value(found) == pytest.approx(noise, rel=0.5)
        kappa = found.columns["coupled"].measurement.beside["κ of Mem-only nets"].interval.value
        assert kappa == pytest.approx(NUMBERS.kappa, rel=0.2)


# --- Ungrokking ----------------------------------------------------------------------------------------------------------


def test_thresholds_are_those_of_the_truth_and_their_motion_is_seen(lab: Lab) -> None:
    mixtures(lab, spread=0.0, motion=-0.05, seeds=3, decays=(1e-4,))
    found = thresholds(lab.table("fresh/ungrokking_coupled"))
    np.testing.assert_allclose(found.ln_size, math.log(NUMBERS.critical), atol=0.03)
    # Accuracy fell, so the threshold was at smaller sizes before.
    assert (found.motion > 0.015).all()
    assert moving(found) == 0
    mixtures(lab, spread=0.0, motion=-0.2, seeds=3, decays=(1e-4,))
    assert moving(thresholds(lab.table("fresh/ungrokking_coupled"))) == 3


def test_p2_is_refuted_by_a_broad_transition(lab: Lab) -> None:
    found = judged("P2", lab)
    assert found.verdict == "confirmed"
    assert value(found) == pytest.approx(0.16 * 2 * math.log(9), abs=0.08)
    mixtures(lab, "base/ungrokking_coupled", seeds=5, motion=-0.2)
    # What still falls to chance has fallen below its bound already.
    moving = {name: one.moving for name, one in judged("P2", lab).columns["coupled"].measurement.estimates.items()}
    assert moving["accuracy above chance at the smallest D′"] == 0 < moving["10-90 % width of the transition in ln D′"]
    mixtures(lab, "base/ungrokking_coupled", seeds=5, width=0.45, sizes=(20, 60, 110, 180, 240, 330, 520, 1500))
    assert judged("P2", lab).columns["coupled"].findings[0].verdict == "refuted"


@pytest.mark.parametrize(("shift", "verdict"), [(0.02, "confirmed"), (0.4, "refuted"), (-0.4, "refuted")])
def test_p3_measures_the_shift(lab: Lab, shift: float, verdict: str) -> None:
    mixtures(lab, shift=shift)
    found = judged("P3", lab)
    assert found.verdict == verdict
    assert value(found) == pytest.approx(shift, abs=0.05)


def test_p3_needs_thresholds_at_rest(lab: Lab) -> None:
    mixtures(lab, motion=-0.2)
    assert judged("P3", lab).verdict == "inconclusive"


def test_p3_uses_sizes_that_every_decay_has(lab: Lab) -> None:
    table = lab.table("fresh/ungrokking_coupled")
    lab.tables["fresh/ungrokking_coupled"] = table[(table.weight_decay == 1e-4) | table.dataset_size.isin((180, 330))]
    assert judged("P3", lab).verdict == "confirmed"


def curves(lab: Lab, decays: tuple[float, ...], rate: float) -> None:
    """AdamW runs whose threshold is a function of weight decay × steps (rate 1), or of steps alone (rate 0)."""
    rows, runs = [], []
    for seed in range(5):
        for decay in decays:
            for size in (60, 120, 200, 330):
                steps = 4000.0 / decay
                step = np.linspace(0, steps, 101)
                middle = math.log(150) + 0.02 * seed + 0.2 * np.log1p(decay**rate * step / 500)
                test = 1 / (1 + np.exp(-(math.log(size) - middle) / 0.15))
                config = {"dataset_size": size, "weight_decay": decay, "seed": seed, "p": CLASSES}
                runs.append(SimpleNamespace(config=config, status="finished", step=step, test=test))
                rows.append(row(size, decay, seed, steps=int(steps), test=test[-1]))
    lab.tables["base/ungrokking"], lab.curves["base/ungrokking"] = pd.DataFrame(rows), runs


@pytest.mark.parametrize(("rate", "verdict"), [(1.0, "confirmed"), (0.0, "refuted")])
def test_p3_compares_adamw_at_equal_decay_times_steps(lab: Lab, rate: float, verdict: str) -> None:
    curves(lab, (0.5, 2.0), rate)
    assert judged("P3", lab).columns["AdamW"].verdict == verdict
    at = accuracy_at(lab, "base/ungrokking", 2000.0)  # type: ignore[arg-type]
    assert len(at) == 40


@pytest.mark.parametrize(("ratio", "verdict"), [(0.95, "confirmed"), (1.5, "refuted"), (0.6, "refuted")])
def test_p8a_compares_with_where_efficiencies_meet(lab: Lab, ratio: float, verdict: str) -> None:
    mixtures(lab, ratio=ratio)
    found = judged("P8a", lab)
    assert found.verdict == verdict
    assert value(found) == pytest.approx(-math.log(ratio), abs=0.04)


def test_p8a_says_where_logits_and_margins_cancel(lab: Lab) -> None:
    """Margins cancel where W_gen/W_mem = m/f, and by (8.5) that is ln(m/f)/ν above where the two are equal."""
    mixtures(lab, ratio=1.3, spread=0.0, sizes=(60, 110, 180, 220, 260, 300, 360, 430, 520))
    beside = judged("P8a", lab).columns["coupled"].measurement.beside
    nu = NUMBERS.beta * NUMBERS.kappa * SHARING / (SHARING - NUMBERS.kappa)
    higher = math.log(MARGIN_OF_MEM / MARGIN_OF_GEN) / nu
    where = {name: beside[f"ln(D where accuracy is 1/2 / D {name})"].interval.value for name in BALANCES}
    assert where["where W_gen = W_mem"] == pytest.approx(math.log(1.3), abs=0.02)
    assert where["where the mean margin is 0"] == pytest.approx(math.log(1.3) - higher, abs=0.03)
    assert where["where f W_gen = m W_mem"] == pytest.approx(where["where the mean margin is 0"], abs=0.03)
    assert beside["m"].interval.value == pytest.approx(MARGIN_OF_MEM, rel=0.05)
    assert beside["f"].interval.value == pytest.approx(MARGIN_OF_GEN, rel=0.05)
    # Only the nets at both ends say what a nat is worth.
    table = lab.table("fresh/ungrokking_coupled")
    ends = table.dataset_size.isin((table.dataset_size.min(), table.dataset_size.max()))
    lab.tables["fresh/ungrokking_coupled"] = table.assign(margin=table.margin.where(ends, 2 * table.margin))
    again = judged("P8a", lab).columns["coupled"].measurement.beside
    assert (again["f"], again["m"]) == (beside["f"], beside["m"])


def test_seeds_with_both_are_compared_with_themselves() -> None:
    first, second = pd.Series({1: 5.0, 2: 7.0, 3: 9.0}), pd.Series({2: 6.9, 3: 8.7, 4: 1.0})
    found = apart(first, second, 6).interval
    assert (found.n, found.value) == (2, pytest.approx(0.2))
    other = apart(first, second.rename({2: 12, 3: 13}), 6).interval
    assert other == welch(first, second)


def test_p10_finds_that_inefficient_seeds_lose_earlier_and_its_opposite(lab: Lab) -> None:
    assert judged("P10", lab).verdict == "confirmed"
    table = lab.table("fresh/ungrokking_coupled")
    lab.tables["fresh/ungrokking_coupled"] = table.assign(norm=400 / table.norm)
    found = judged("P10", lab)
    assert found.verdict == "refuted"
    assert value(found) < -0.9


def test_p10_keeps_the_seeds_that_lost(lab: Lab) -> None:
    """Seeds whose net at the largest D′ is below 99 % have the largest norms: all ten count."""
    mixtures(lab, sizes=(110, 180, 240, 400), spread=0.1)
    assert judged("P10", lab).columns["coupled"].findings[0].estimate.interval.n == 10


@pytest.mark.parametrize(("sharing", "ok"), [(6.5, True), (4.55, False)])
def test_p11_forecasts_mixtures_that_it_has_not_seen(lab: Lab, sharing: float, ok: bool) -> None:
    mixtures(lab, "base/ungrokking_coupled", seeds=4, spread=0.003)
    mixtures(lab, spread=0.003, sharing=sharing, decays=(1e-6, 1e-4))
    found = judged("P11", lab)
    assert found.verdict == "confirmed" or not ok
    assert (value(found, which=1) < 0.01) is ok
    rows = found.columns["coupled"].measurement.tables["held out"]
    assert {r["cells"] for r in rows} >= {
        "mixtures, held out",
        "Gen-only, other weight decays",
        "Mem-only, other weight decays",
    }


def test_p12_finds_one_sharing_in_two_ways(lab: Lab) -> None:
    mixtures(lab, "base/ungrokking_coupled", seeds=4, spread=0.003)
    mixtures(lab, spread=0.003, decays=(1e-4,))
    found = judged("P12", lab).columns["coupled"].findings[0]
    assert found.verdict == "confirmed"
    assert found.estimate.interval.value == pytest.approx(0.0, abs=0.1)
    table = lab.table("fresh/ungrokking_coupled")  # a transition half as sharp
    lab.tables["fresh/ungrokking_coupled"] = table.assign(mem=table.gen * (table.mem / table.gen) ** 0.45)
    assert judged("P12", lab).columns["coupled"].findings[0].verdict == "refuted"


@pytest.mark.parametrize(("exponent", "verdict"), [(-0.05, "confirmed"), (0.6, "refuted")])
def test_p14_measures_the_slope_on_width(lab: Lab, exponent: float, verdict: str) -> None:
    for width in (32, 64, 128):
        name = "base" if width == 64 else f"width-{width}"
        mixtures(lab, f"{name}/ungrokking_coupled", seeds=4, width_exponent=exponent, d_model=width,
                 sizes=(60, 110, 180, 240, 330, 520, 800))  # fmt: skip
    found = judged("P14", lab)
    assert found.verdict == verdict
    assert value(found) == pytest.approx(exponent, abs=0.05)


# --- From scratch --------------------------------------------------------------------------------------------------------


def scratch(lab: Lab, name: str, threshold: float, *, decay: float, seeds: int = 6, **values: Any) -> None:
    rows = []
    for seed in range(seeds):
        for size in (300, 400, 480, 560, 700):
            middle = threshold * math.exp(0.03 * (seed - seeds / 2))
            done = size > middle
            time = 1000 * (size / middle) ** -6 if done else math.nan
            test = 0.99 if done else 0.02
            rows.append(
                row(size, decay, seed, start=0.02, test=test, t_half=time, t_gen=time, gen_at_fit=size / middle)
                | values
            )
    lab.tables[name] = pd.DataFrame(rows)


@pytest.mark.parametrize(("share", "verdict"), [(0.0, "refuted"), (1.0, "confirmed")])
def test_p4_counts_runs_that_rest_in_between(lab: Lab, share: float, verdict: str) -> None:
    scratch(lab, "base/scratch", 470, decay=1.0, seeds=8)
    table = lab.table("base/scratch")
    near = table.dataset_size.isin((400, 480, 560))
    if share:
        lab.tables["base/scratch"] = table.assign(test=table.test.where(~near, 0.2 + table.dataset_size / 1500))
    found = judged("P4", lab)
    assert found.columns["AdamW"].verdict == verdict
    assert value(found, "AdamW") == pytest.approx(share)
    if share:  # on their way, they are not at rest
        moved = lab.table("base/scratch")
        lab.tables["base/scratch"] = moved.assign(rests=~near)
        assert judged("P4", lab).columns["AdamW"].verdict == "inconclusive"


@pytest.mark.parametrize(
    ("id", "kind", "time", "size"), [("P5", "scratch", "t_gen", 850), ("P6", "ungrokking", "t_lost", 120)]
)
@pytest.mark.parametrize(("exponent", "verdict"), [(-1.0, "confirmed"), (-0.3, "refuted"), (-1.8, "refuted")])
def test_times_have_the_exponent_of_the_truth(
    id: str, kind: str, time: str, size: int, exponent: float, verdict: str
) -> None:
    lab = Lab()
    rows = [
        row(size, decay, seed, **{time: 900 * math.exp(0.05 * seed) * decay ** (exponent + 0.02 * (seed - 2))})
        for seed in range(5)
        for decay in (0.5, 1.0, 2.0)
    ]
    rows += [row(10 * size, decay, 0, **{time: 7.0}) for decay in (0.5, 2.0)]  # a size that is not asked
    lab.tables[f"fresh/{kind}"] = pd.DataFrame(rows)
    found = judged(id, lab)
    assert found.verdict == verdict
    assert value(found, "AdamW") == pytest.approx(exponent, abs=1e-6)
    late = lab.tables[f"fresh/{kind}"].assign(**{time: lambda t: t[time].where(t.weight_decay > 0.5)})
    lab.tables[f"fresh/{kind}"] = late[late.dataset_size == size]
    assert judged(id, lab).verdict == ("refuted" if verdict == "refuted" else "confirmed")  # a third is censored
    lab.tables[f"fresh/{kind}"] = late[late.dataset_size == size].assign(**{time: math.nan})
    assert judged(id, lab).verdict == "inconclusive"


def test_seeds_added_to_p5_decide_alone() -> None:
    def rows(exponent: float, seeds: range) -> list[dict[str, Any]]:
        times = (
            (decay, seed, 900 * decay ** (exponent + 0.02 * (seed % 3 - 1))) for seed in seeds for decay in (1.0, 4.0)
        )
        return [row(850, decay, seed, t_gen=time) for decay, seed, time in times]

    lab = Lab()
    lab.tables["fresh/scratch"] = pd.DataFrame(rows(-1.8, range(10, 26)) + rows(-1.0, range(26, 32)))
    found = judged("P5", lab)
    assert found.verdict == "confirmed"
    assert (value(found, "AdamW"), found.columns["AdamW"].findings[0].estimate.interval.n) == (pytest.approx(-1.0), 6)
    (before,) = found.columns["AdamW"].measurement.beside.items()
    assert before[0] == "the same, the 16 seeds before"
    assert before[1].interval.value == pytest.approx(-1.8, abs=0.01)


def test_p8b_is_refuted_by_a_threshold_from_scratch_far_above(lab: Lab) -> None:
    scratch(lab, "base/scratch_coupled", 470, decay=1e-4)
    found = judged("P8b", lab)
    assert found.verdict == "refuted"
    assert value(found) == pytest.approx(math.log(NUMBERS.critical / 470), abs=0.1)


def gap_runs(lab: Lab, now: float, before: float) -> None:
    """From scratch the threshold was `before` after a third of the steps; nets that had grokked lose it at 260."""
    step = np.linspace(0, 3000, 61)
    for kind in ("scratch_coupled", "ungrokking_coupled"):
        runs, rows = [], []
        for seed in range(4):
            for size in (150, 200, 280, 400, 560, 800, 1100):
                middle = np.where(step < 1500, before, now) if kind == "scratch_coupled" else np.full(61, 260.0)
                test = 1 / (1 + np.exp(-(math.log(size) - np.log(middle) - 0.02 * seed) / 0.1))
                config = {"dataset_size": size, "weight_decay": 1e-4, "seed": seed, "p": CLASSES}
                runs.append(SimpleNamespace(config=config, status="finished", step=step, test=test))
                rows.append(row(size, 1e-4, seed, test=test[-1]))
        lab.tables[f"base/{kind}"], lab.curves[f"base/{kind}"] = pd.DataFrame(rows), runs


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [(480, 560, "confirmed"), (330, 560, "refuted"), (265, 270, "refuted"), (480, 480, "confirmed")],
)
def test_p7_measures_the_gap_and_what_is_left_of_it(lab: Lab, now: float, before: float, verdict: str) -> None:
    gap_runs(lab, now, before)
    found = judged("P7", lab)
    assert found.verdict == verdict
    assert value(found) == pytest.approx(math.log(now / 260), abs=0.04)
    assert value(found, which=1) == pytest.approx(math.log(now / 260) / math.log(before / 260), rel=0.15)


def test_p7_compares_both_ways_at_one_weight_decay_and_says_the_paper_size_beside(lab: Lab) -> None:
    gap_runs(lab, 480, 560)
    name = "base/ungrokking_coupled"
    other = lab.table(name).assign(weight_decay=1e-3, test=1.0)  # where nothing is lost
    lab.tables[name] = pd.concat([lab.table(name), other], ignore_index=True)
    for kind in ("scratch_coupled", "ungrokking_coupled"):
        lab.tables[f"p113/{kind}"] = lab.table(f"base/{kind}").query("weight_decay == 1e-4").assign(weight_decay=1e-2)
    found = judged("P7", lab)
    assert value(found) == pytest.approx(math.log(480 / 260), abs=0.04)
    large = found.columns["coupled"].measurement.beside["gap ln(D_scratch / D_ungrokking) at the end, p113"]
    assert (large.interval.value, large.interval.n) == (pytest.approx(value(found)), 4)
    small, same = found.columns["coupled"].measurement.tables["by setting"]
    assert (small["setting"], same["setting"], small["weight_decay"], same["weight_decay"]) == (
        "base",
        "p113",
        1e-4,
        1e-2,
    )
    assert small["ratio"] == pytest.approx(math.exp(value(found)))
    assert small["scratch"] / small["ungrokking"] == pytest.approx(small["ratio"])
    lab.tables[name] = other
    assert "no weight decay at which" in judged("P7", lab).columns["coupled"].missing


def test_p13_sees_two_ends_and_an_early_warning(lab: Lab) -> None:
    scratch(lab, "base/scratch_coupled", 470, decay=1e-4, seeds=10)
    rng = np.random.default_rng(0)
    rows = []
    for size in (450, 520):
        for seed in range(12):
            happens = rng.random() < 0.5
            rows.append(row(size, 1e-4, seed, test=0.99 if happens else 0.02, t_half=900.0 if happens else math.nan,
                            gen_at_fit=size / 10 + (2.0 if happens else 0.0) + 0.3 * rng.standard_normal()))  # fmt: skip
    lab.tables["fresh/scratch_coupled"] = pd.DataFrame(rows)
    lab.tables["base/ungrokking_coupled"] = pd.DataFrame([row(400, 1e-4, s, test=0.95) for s in range(6)])
    found = judged("P13", lab)
    assert found.verdict == "confirmed"
    assert value(found) == pytest.approx(0.93)
    assert value(found, which=1) > 0.95
    # At the paper's size the other way round: it stands beside and decides nothing.
    lab.tables["p113/scratch_coupled"] = lab.table("fresh/scratch_coupled").assign(gen_at_fit=lambda t: -t.gen_at_fit)
    found = judged("P13", lab)
    assert found.columns["coupled"].measurement.beside["AUC at equal D, p113"].interval.value < 0.05
    assert found.verdict == "confirmed"
    # The same outcomes, told apart by size alone, are no warning.
    same = lab.table("fresh/scratch_coupled")
    lab.tables["fresh/scratch_coupled"] = same.assign(
        gen_at_fit=same.dataset_size / 10 + 0.3 * rng.standard_normal(len(same))
    )
    assert judged("P13", lab).columns["coupled"].findings[1].verdict != "confirmed"
