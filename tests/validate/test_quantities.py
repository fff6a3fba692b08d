"""validate.quantities: what pictures show of runs is what predictions measure, and nothing is made up between the grids."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validate.measured import MissingResult, Results, Run
from validate.predictions.p16_pole import P16
from validate.predictions.p19_price import pairs_of_sizes
from validate.predictions.shared import thresholds
from validate.quantities import (
    at_threshold,
    behaviour,
    between,
    gen_at,
    joined,
    on_clock,
    place,
    places,
    pole_points,
    price_points,
)

SAVED = Path(__file__).parents[2] / "validate" / "data"


@pytest.fixture(scope="module")
def results() -> Results:
    """The saved study."""
    return Results(SAVED / "standard")


@pytest.fixture(scope="module")
def run() -> Run:
    """A run that ungroks, which has seen, removed and never-seen pairs."""
    return Results(SAVED / "quick").runs("base/ungrokking")[0]


def test_a_joined_run_has_every_measurement_once_and_no_step_0(run: Run) -> None:
    both = joined(run)
    assert both.step[0] == 1.0
    assert np.all(np.diff(both.step) > 0)
    assert set(both.step) == set(run.step[1:]) | set(run.full.step.values[1:])
    at = int(np.flatnonzero(both.step == run.step[3])[0])
    assert both.test[at] == pytest.approx(run.test[3])
    early = float(run.full.train_accuracy.sel(step=2))
    assert both.train[1] == pytest.approx(early)


def test_a_run_has_the_name_of_its_pooled_accuracy(run: Run) -> None:
    assert behaviour(run) in ("ungrokking", "unfinished")
    # With pairs that were removed all right again it has not ungrokked.
    kept = np.ones_like(run.removed)
    full = run.full.assign({f"{name}_accuracy": 0 * run.full.norm + 1 for name in ("removed", "unseen")})
    whole = Run(**{**vars(run), "removed": kept, "unseen": kept, "full": full})
    assert behaviour(whole) == "comprehension"


def test_between_is_off_chance_and_not_yet_generalising() -> None:
    table = pd.DataFrame({"p": 50, "test": [0.02, 0.06, 0.08, 0.5, 0.89, 0.95]})
    assert between(table).tolist() == [False, False, True, True, True, False]


def test_gen_is_that_of_the_full_measurements(run: Run) -> None:
    step, gen, _ = run.circuits()
    assert gen_at(run, step[5]) == pytest.approx(gen[5])
    assert min(gen[5:7]) < gen_at(run, (step[5] + step[6]) / 2) < max(gen[5:7])


def test_a_place_is_the_mean_of_the_judged_thresholds(results: Results) -> None:
    table = results.table("p113/ungrokking_coupled")
    table = table[table.weight_decay == 1e-3]
    found, own = place(table), thresholds(table).ln_size
    assert found.n == own.notna().sum() == len(places(table))
    assert found.value == pytest.approx(math.exp(own.mean()))
    assert found.low < min(found.value, *places(table)[:1]) or found.low < found.value < found.high


def test_on_a_clock_all_weight_decays_have_the_same_seeds(results: Results) -> None:
    found = on_clock(results, "base/ungrokking", (4000.0, 1e9))
    assert set(found.clock) == {4000.0}
    assert found.weight_decay.nunique() == len(found) >= 3
    assert found.seeds.nunique() == 1
    # A quarter of the pairs and more lie between these decays' places where runs of other seeds are taken in.
    assert found.pairs.max() / found.pairs.min() < 1.1
    assert on_clock(results, "base/ungrokking", (4000.0,), fewest=100).empty


def test_circuits_are_compared_at_the_logit_of_the_threshold(results: Results) -> None:
    found = at_threshold(results)
    table = results.table("base/ungrokking_coupled")
    near = table[(table.weight_decay == 1e-4) & (np.abs(np.log(table.dataset_size / found.half.value)) < np.log(1.25))]
    assert near.logit.min() <= found.logit <= near.logit.max()
    # Interpolated norms are the same at the sizes where the two meet.
    mem = found.mem.groupby("dataset_size").norm.mean()
    assert np.interp(found.meet.value, mem.index, mem) == pytest.approx(found.gen.norm.mean(), rel=0.02)
    with pytest.raises(MissingResult, match="must be among the saved"):
        at_threshold(results, "task-div")


def test_points_of_the_price_are_those_of_the_prediction(results: Results) -> None:
    found = price_points(results, ("base", "nowhere"))
    assert set(found.group) == {"memorising", "ungrokked", "grokked"}
    mem = results.table("base/memorising_coupled")
    own = pairs_of_sizes(mem[(mem.train >= 0.99)])
    assert sorted(found[found.group == "memorising"].slope) == pytest.approx(sorted(own.slope))
    assert price_points(results, ()).empty


def test_points_of_the_pole_have_the_scale_that_was_judged(tmp_path: Path, results: Results) -> None:
    # The setting of the paper's size under the name of one that the law is judged on.
    for kind in ("ungrokking", "generalising", "memorising"):
        file = tmp_path / "laws-113" / f"{kind}_coupled.nc"
        file.parent.mkdir(exist_ok=True)
        file.symlink_to((SAVED / "standard" / "p113" / f"{kind}_coupled.nc").resolve())
    judged = pd.DataFrame(P16.measure(Results(tmp_path), "coupled").tables["seeds"]).set_index("seed")
    found = pole_points(results, ("p113", "task-div"))
    assert set(found.setting) == {"p113"}
    each = found.groupby("seed")[["critical", "scale"]].agg(["min", "max"])
    assert list(each.index) == list(judged.index)
    for column, name in (("critical", "critical_size"), ("scale", "pole, fitted")):
        for end in ("min", "max"):
            np.testing.assert_allclose(each[column][end], judged[name])
    # At the sizes that were fitted and at those between the law holds within a few times what was judged.
    law = (found.dataset_size - found.critical) / found.scale
    off = (law / (1 + law) - found.ratio / (1 + found.ratio))[found.dataset_size > 1.5 * found.critical]
    assert off.abs().max() < 5 * judged["pole"].max()
