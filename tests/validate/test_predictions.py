"""At rest a prediction finds the number behind it, and its verdict turns where the truth leaves the region."""

import math
from types import SimpleNamespace

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
    judged,
    mixtures,
    row,
    singles,
    value,
)
from validate.predictions.p08_critical_size import BALANCES
from validate.predictions.shared import accuracy_at, apart, moving, thresholds
from validate.statistics.intervals import welch

# --- Single circuits -----------------------------------------------------------------------------------------------------


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
