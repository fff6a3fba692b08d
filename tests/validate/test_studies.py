"""Tables beside the verdicts: starts from mixtures, and escape with and without the tail."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.validate.laboratory import NUMBERS, Lab, mixtures, row, singles
from validate.predictions.p13_barrier import LAWS, _laws_in_all
from validate.studies import constant_rate, deciding_start, mixed_starts, scratch_curve, small_and_large, studies

LARGE = replace(NUMBERS, kappa=4.9, efficiency=0.07, beta=0.36, critical_size=700.0)


def mixed(before: int, seed: int, end: float, gen: float) -> Any:
    """A run that is given its 480 pairs after `before` steps, with half of accuracy and W_gen `gen` then."""
    step = np.arange(0.0, 1001.0, 50.0)
    config = {"phases": [{"steps": before, "dataset_size": 100}], "weight_decay": 1e-3, "seed": seed}
    return SimpleNamespace(
        status="finished", config=config, step=step, test=np.where(step <= before, 0.5 * (step == before), end),
        sizes=lambda at: np.full(len(at), 480.0), tenth=lambda curve: float(curve[-1]),
        circuits=lambda: (step, np.where(step == before, gen, -1.0), step))  # fmt: skip


@pytest.fixture
def lab() -> Lab:
    found = Lab()
    runs = [mixed(100, 0, 0.9, 3.0), mixed(100, 1, 0.7, 2.0), mixed(200, 0, 0.3, 1.0), mixed(200, 1, 0.6, 1.5)]
    runs.append(mixed(300, 0, 0.1, 0.5))
    found.tables["fresh/mixed_coupled"] = pd.DataFrame({"there": [1]})
    found.curves["fresh/mixed_coupled"] = runs
    rows = [row(480, 1e-3, s, test=0.02, gen_at_fit=-2.0 + s) for s in range(2)]
    rows += [row(560, 1e-3, 0, test=0.9), row(480, 1e-4, 0, test=0.9), row(430, 1e-3, 5, test=0.8, gen_at_fit=-3.0)]
    found.tables["base/scratch_coupled"] = pd.DataFrame(rows)
    return found


def test_starts_from_mixtures_say_what_was_there_and_what_became_of_it(lab: Lab) -> None:
    first, second, _ = mixed_starts(lab)  # type: ignore[arg-type]
    assert (first["steps_before"], first["runs"], first["kept"]) == (100, 2, 2)
    assert (first["gen_at_start"], first["least_gen"], first["accuracy_at_start"]) == (2.5, 2.0, 0.5)
    assert (second["kept"], second["least_gen"]) == (1, 1.0)
    assert second["accuracy_at_end"] == pytest.approx(0.45)


def test_a_study_whose_runs_were_not_trained_has_no_table(lab: Lab) -> None:
    assert list(studies(Lab())) == ["Rival explanations"]  # type: ignore[arg-type]
    titles = ["Starts from mixtures", "How much of Gen is enough", "Rival explanations"]
    assert list(studies(lab)) == titles  # type: ignore[arg-type]


def test_how_much_of_gen_is_enough_is_held_against_starts_from_scratch(lab: Lab) -> None:
    (found,) = deciding_start(lab)  # type: ignore[arg-type]
    assert (found["kept"], found["lost"]) == (3, 2)
    assert (found["least_gen_kept"], found["greatest_gen_lost"]) == (1.5, 1.0)
    assert (found["least_accuracy_lost"], found["greatest_accuracy_lost"]) == (0.1, 0.3)
    # Of other sizes those down to a sixth fewer pairs, and of the same decay only.
    assert (found["scratch_runs"], found["scratch_escaped"], found["scratch_gen_at_fit"]) == (3, 1, -1.0)


def test_escape_in_the_last_fifth_counts_those_still_there(lab: Lab) -> None:
    times = (900.0, 2600.0, 2900.0, math.nan)
    lab.tables["fresh/scratch_coupled"] = pd.DataFrame(
        [row(560, 1e-3, s, steps=3000, t_half=t) for s, t in enumerate(times)]
    )
    lab.tables["long/scratch_constant"] = pd.DataFrame(
        [row(560, 1e-3, s, steps=20_000, t_half=t) for s, t in enumerate((2399.0, 2500.0, 9000.0))]
    )
    constant, tail = constant_rate(lab)  # type: ignore[arg-type]
    assert (constant["rate"], constant["escaped_before"], constant["left"]) == ("constant", 1, 2)
    assert constant["escaped_in_the_last_fifth"] == 1
    assert (tail["escaped_before"], tail["left"], tail["escaped_in_the_last_fifth"], tail["runs"]) == (1, 3, 2, 4)
    assert constant["compared_at_steps"] == tail["compared_at_steps"] == 3000
    assert (constant["trained_steps"], tail["trained_steps"]) == (20_000, 3000)
    assert (constant["escaped_in_all"], tail["escaped_in_all"]) == (3, 3)


def test_a_curve_from_scratch_says_how_many_generalise_and_when() -> None:
    lab = Lab()
    times = (400.0, 900.0, math.nan)
    rows = [row(2800, 1e-3, s, test=0.9 if t == t else 0.1, t_half=t, gen_at_fit=s - 1.0) for s, t in enumerate(times)]
    lab.tables["p113/scratch_coupled"] = pd.DataFrame([*rows, row(1000, 1e-3, 0), row(2800, 1e-4, 0, test=0.9)])
    found = {(r["weight_decay"], r["dataset_size"]): r for r in scratch_curve(lab)}  # type: ignore[arg-type]
    assert list(found) == [(1e-4, 2800), (1e-3, 1000), (1e-3, 2800)]
    three = found[1e-3, 2800]
    assert (three["seeds"], three["generalised"], three["median_steps"]) == (3, 2, 900.0)
    assert (three["gen_at_fit"], three["accuracy"]) == (0.0, pytest.approx(1.9 / 3))
    assert math.isinf(found[1e-3, 1000]["median_steps"])


def test_the_small_network_and_the_paper_size_are_measured_alike() -> None:
    lab = Lab()
    for setting in ("base", "p113"):
        singles(lab, NUMBERS if setting == "base" else LARGE, setting=setting)
        mixtures(lab, f"{setting}/ungrokking_coupled", seeds=4, decays=(1e-4, 1e-3), spread=0.0)
    rows = small_and_large(lab)  # type: ignore[arg-type]
    found = {(r["number"], r["setting"]): r["value"] for r in rows}
    for setting, numbers in (("base", NUMBERS), ("p113", LARGE)):
        assert found["slope of ln η_gen on ln D", setting] == pytest.approx(0.0, abs=1e-6)
        assert found["slope of ln η_mem on ln D", setting] == pytest.approx(-numbers.beta, rel=1e-2)
        assert found["κ of Gen-only networks", setting] == pytest.approx(numbers.kappa, rel=1e-2)
        assert found["ln of the size at which efficiencies meet", setting] == pytest.approx(
            math.log(numbers.critical_size), abs=0.02
        )
        assert found["ln D_crit of ungrokking, α = 0.001", setting] == pytest.approx(math.log(260), abs=0.05)
        assert found["ln(D_crit at α = 0.0001 / that at 0.001)", setting] == pytest.approx(0.0, abs=1e-3)
    assert [r["setting"] for r in rows[:4]] == ["base", "p113"] * 2


def test_laws_are_weighed_by_their_held_out_runs_where_all_were_fitted() -> None:
    rows = []
    for decay, runs in ((1.0, 10), (2.0, 30), (4.0, 5)):
        for i, law in enumerate(LAWS):
            if decay == 4.0 and i:  # fitted for one law only: left out
                continue
            rows.append({"weight_decay": decay, "law": law, "held_out_runs": runs, "log_likelihood_a_run": -i - decay,
                         "escapes_forecast": 2.0, "escapes": 3})  # fmt: skip
    found = _laws_in_all(rows)
    assert [r["law"] for r in found] == list(LAWS)
    assert found[0]["log_likelihood_a_run"] == pytest.approx(-(10 * 1.0 + 30 * 2.0) / 40)
    assert (found[0]["held_out_runs"], found[0]["escapes_forecast"], found[0]["escapes"]) == (40, 4.0, 6)
    assert _laws_in_all([]) == []
