"""What is trained is what was promised, and predictions can be read without training, torch or results."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from realnet import RunConfig
from realnet.config import from_json
from validate.experiments import BASE, KINDS, PROFILES, Experiment, experiments
from validate.predictions import PREDICTIONS

ROOT = Path(__file__).parent.parent
OPTIONAL = {"long/scratch"}
"""Longer runs of P4, which it does without where they are not trained"""


@cache
def planned(profile: str) -> list[Experiment]:
    return experiments(PROFILES[profile])


def of(profile: str, name: str) -> Experiment:
    return next(e for e in planned(profile) if e.name == name)


def test_every_quick_run_is_a_standard_run_of_the_same_experiment() -> None:
    for experiment in planned("quick"):
        assert set(experiment.runs) <= set(of("standard", experiment.name).runs), experiment.name


@pytest.mark.parametrize("profile", PROFILES)
def test_configs_are_valid_and_no_run_is_asked_for_twice(profile: str) -> None:
    runs = [run for e in planned(profile) for run in e.runs]
    assert len({run.name for run in runs}) == len(runs)
    for run in runs:
        assert from_json(run.to_json()) == run  # made anew, checks and all


@pytest.mark.parametrize("profile", PROFILES)
def test_names_are_unique_and_the_base_comes_first(profile: str) -> None:
    names = [e.name for e in planned(profile)]
    assert len(set(names)) == len(names)
    assert PROFILES[profile].settings[0].name == BASE
    assert {name.partition("/")[2] for name in names} <= set(KINDS)


@pytest.mark.parametrize("profile", PROFILES)
def test_nets_that_have_grokked_are_the_same_for_all_that_start_from_them(profile: str) -> None:
    for setting in PROFILES[profile].settings:
        parents: dict[int, set[RunConfig]] = {}
        for experiment in planned(profile):
            if experiment.setting is not setting:
                continue
            for run in experiment.runs:
                after = experiment.kind.startswith(("ungrokking", "generalising"))
                assert (run.start_from is not None) is after
                if run.start_from is not None:
                    parents.setdefault(run.seed, set()).add(run.start_from)
                    assert run.dataset_size < run.start_from.dataset_size
        assert all(len(found) == 1 for found in parents.values())


def test_mem_only_nets_have_random_labels_and_coupled_runs_the_toys_penalty() -> None:
    for profile in PROFILES:
        for experiment in planned(profile):
            random = {run.task == "random" for run in experiment.runs}
            assert random == {experiment.kind.startswith("memorising")}
            optimizers = {run.optimizer for run in experiment.runs}
            assert optimizers == {"adam" if experiment.kind.endswith("_coupled") else "adamw"}


def cells(experiment: Experiment) -> dict[tuple[int, float], set[int]]:
    """Seeds of each size and weight decay."""
    found: dict[tuple[int, float], set[int]] = {}
    for run in experiment.runs:
        found.setdefault((run.dataset_size, run.weight_decay), set()).add(run.seed)
    return found


def test_the_paper_profile_ungroks_as_the_paper_did() -> None:
    """Seven geometric sizes in [390, 1494] × 10 seeds, three weight decays; p = 113, width 128."""
    experiment = of("paper", "base/ungrokking")
    found = cells(experiment)
    sizes = sorted({size for size, _ in found})
    assert (len(sizes), sizes[0], sizes[-1]) == (7, 390, 1494)
    assert np.diff(np.log(sizes)) == pytest.approx(np.log(1494 / 390) / 6, abs=2e-3)
    assert set(found) == {(size, decay) for size in sizes for decay in {d for _, d in found}}
    assert len({decay for _, decay in found}) == 3
    assert set(map(frozenset, found.values())) == {frozenset(range(10))}
    run = experiment.runs[0]
    assert (run.p, run.d_model, run.n_heads, run.d_mlp, run.n_layers) == (113, 128, 4, 512, 1)
    assert (run.learning_rate, run.betas, run.layer_norm, run.activation) == (1e-3, (0.9, 0.98), False, "relu")
    assert run.start_from is not None
    assert run.start_from.dataset_size == 113**2


def test_the_paper_profile_looks_for_semi_grokking_where_the_paper_did() -> None:
    """Twenty sizes in [1500, 2050] × 10 seeds, weight decay 1."""
    found = {cell: seeds for cell, seeds in cells(of("paper", "base/scratch")).items() if cell[0] <= 2050}
    sizes = sorted(size for size, _ in found)
    assert (len(sizes), sizes[0], sizes[-1]) == (20, 1500, 2050)
    assert set(np.diff(sizes)) <= {28, 29, 30}
    assert {decay for _, decay in found} == {1.0}
    assert set(map(frozenset, found.values())) == {frozenset(range(10))}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", PREDICTIONS)
def test_every_profile_trains_what_a_prediction_needs(profile: str, name: str) -> None:
    there = {e.name for e in planned(profile)}
    assert set(PREDICTIONS[name].experiments) - OPTIONAL <= there
    assert len(set(PREDICTIONS[name].experiments)) == len(PREDICTIONS[name].experiments)


@pytest.mark.parametrize("name", PREDICTIONS)
def test_a_prediction_says_all_that_experiments_md_asks_for(name: str) -> None:
    prediction = PREDICTIONS[name]
    assert prediction.id == name
    assert all((prediction.claim, prediction.source, prediction.observable, prediction.statistic))
    assert prediction.criteria
    for criterion in prediction.criteria:
        assert criterion.why
        assert criterion.unit
        assert criterion.least_seeds >= 3
        assert criterion.low < criterion.high
        assert np.isfinite([criterion.low, criterion.high]).any()  # something would refute it


def test_listing_needs_neither_torch_nor_results(tmp_path: Path) -> None:
    code = "import sys\nfrom validate.__main__ import main\nstatus = main(['list'])\n"
    code += "print(sorted({'torch', 'matplotlib', 'numba'} & set(sys.modules)), file=sys.stderr)\nsys.exit(status)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "torch" not in done.stderr
    text = " ".join(done.stdout.split())
    for prediction in PREDICTIONS.values():
        assert prediction.id in text
        assert prediction.claim in text
        for criterion in prediction.criteria:
            assert criterion.why in text
    assert list(tmp_path.iterdir()) == []
