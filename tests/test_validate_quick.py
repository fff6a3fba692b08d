"""The quick profile's P1 and P2 come out on fresh data as on the saved data.

One seed of the experiments that decide them is trained anew, in full, and takes its place among the saved results.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr

from validate.experiments import PROFILES, experiments
from validate.measured import Results
from validate.prediction import Finding, judge
from validate.predictions import PREDICTIONS
from validate.training import collect, train

SAVED = Path(__file__).parent.parent / "figures" / "data" / "validate" / "quick"
SEED = 1
FRESH = ("base/memorising", "base/ungrokking")
JUDGED = ("P1a", "P1b", "P2")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The saved results with seed SEED of the FRESH experiments trained anew."""
    out = tmp_path_factory.mktemp("validate")
    mixed = out / "quick"
    shutil.copytree(SAVED, mixed)
    for experiment in experiments(PROFILES["quick"]):
        if experiment.name not in FRESH:
            continue
        one = replace(experiment, runs=tuple(run for run in experiment.runs if run.seed == SEED))
        train(one, out, "cpu")
        new = collect(one, out, out / "fresh")
        path = mixed / f"{experiment.name}.nc"
        with xr.open_dataset(SAVED / f"{experiment.name}.nc", engine="netcdf4") as ds:
            old = ds.load()
        assert set(new.key.values.ravel()) <= set(old.key.values.ravel()), "the saved runs are those of the profile"
        both = xr.concat(
            [old.drop_sel(seed=SEED), new], "seed", data_vars="minimal", join="outer", combine_attrs="override"
        )
        path.unlink()
        both.sortby("seed").to_netcdf(path, engine="netcdf4")
    return mixed


def findings(folder: Path, name: str) -> dict[str, Finding]:
    return {f.criterion.name: f for f in judge(PREDICTIONS[name], Results(folder)).findings}


@pytest.mark.parametrize("name", JUDGED)
def test_a_prediction_comes_out_on_fresh_data_as_on_saved(fresh: Path, name: str) -> None:
    saved, anew = findings(SAVED, name), findings(fresh, name)
    assert saved
    for criterion, old in saved.items():
        new = anew[criterion]
        assert new.verdict == old.verdict, criterion
        assert new.estimate.runs == pytest.approx(old.estimate.runs, abs=1), criterion
        # The same bits with the same BLAS; with another one a run differs, but not by more than seeds do.
        assert old.estimate.interval.low - 1e-3 <= new.estimate.interval.value <= old.estimate.interval.high + 1e-3
