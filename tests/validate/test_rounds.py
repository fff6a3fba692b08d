"""A profile that goes seed by seed has something whole to show after each part."""

from __future__ import annotations

from validate.experiments import PROFILES
from validate.experiments.design import experiments, rounds


def test_one_seed_of_everything_is_trained_before_the_second_of_anything() -> None:
    wanted = experiments(PROFILES["paper"])
    parts = rounds(wanted, by_seed=True)
    assert {run for part in parts for run in part.runs} == {run for one in wanted for run in one.runs}
    assert sum(len(part.runs) for part in parts) == sum(len(one.runs) for one in wanted)
    turns = {one.name: list(dict.fromkeys(run.seed for run in one.runs)) for one in wanted}
    order = [turns[part.name].index(part.runs[0].seed) for part in parts]
    assert order == sorted(order)
    # A part ends before runs of another length begin: the first of the paper's figure 4 is kept within its own time.
    assert all(len({(run.seed, run.steps) for run in part.runs}) == 1 for part in parts)


def test_other_profiles_keep_their_order() -> None:
    wanted = experiments(PROFILES["quick"])
    assert rounds(wanted, by_seed=False) == wanted
