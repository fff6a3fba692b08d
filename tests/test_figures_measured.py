"""figures.measured: what captions say of saved runs, and the definitions that it shares with validate."""

import numpy as np
import pytest
import xarray as xr

from figures.measured import each, provenance, runs, short
from figures.paths import Paths
from validate.measured import Results

QUICK = "validate/quick"
KINDS = ("scratch", "ungrokking", "ungrokking_coupled", "memorising")


@pytest.mark.parametrize("kind", KINDS)
def test_runs_are_called_and_averaged_as_validate_does(kind: str) -> None:
    found = {run.data.key.item(): run for run in each(runs(f"{QUICK}/base/{kind}.nc"))}
    judged = [run for run in Results(Paths().data / QUICK).runs(f"base/{kind}") if run.status == "finished"]
    assert len(found) == len(judged) > 10
    by_config = {tuple(sorted((k, str(v)) for k, v in run.config.items())): run for run in found.values()}
    for theirs in judged:
        ours = by_config[tuple(sorted((k, str(v)) for k, v in theirs.config.items()))]
        row = theirs.row()
        assert ours.end("unseen_accuracy") == pytest.approx(row["unseen"], abs=1e-6)


def test_runs_come_by_seed_then_size_then_weight_decay() -> None:
    order = [
        tuple(run.config[name] for name in ("seed", "dataset_size", "weight_decay"))
        for run in each(runs(f"{QUICK}/base/ungrokking.nc"))
    ]
    assert order == sorted(order)


def test_a_curve_has_every_measurement_once_and_no_step_0() -> None:
    run = next(each(runs(f"{QUICK}/base/scratch.nc")))
    step, values = run.curve("train_accuracy")
    assert step[0] == 1.0
    assert np.all(np.diff(step) > 0)
    assert np.isfinite(values).all()
    assert set(run.data.light_step.values[1:]) <= set(step)
    even = run.data.light_train_accuracy.sel(light_step=100)
    assert values[step == 100] == pytest.approx(float(even))


def _saved(status: list[str], **attributes: str) -> xr.Dataset:
    common = {
        "device": "cpu",
        "processor": "a chip",
        "dtype": "float32",
        "commit": "0123456789abcdef",
        "profile": "profile x",
    }
    return xr.Dataset({"status": ("seed", status)}, attrs=common | attributes)


def test_provenance_states_the_date_only_where_the_data_have_one() -> None:
    plain = provenance(_saved(["finished", "diverged", "absent"]))
    assert plain["n"] == 2
    assert plain["source"] == (
        "Data: profile x, 1 of 2 runs finished; trained on cpu (a chip) in float32, commit 0123456789."
    )
    dated = provenance(_saved(["finished"], date="2026-11-23T06:00 | 2026-11-24"), _saved(["finished"]))
    assert "float32, 2026-11-23 to 2026-11-24, commit 0123456789." in str(dated["source"])
    assert dated["n"] == 2


def test_short_numbers_are_powers_of_ten() -> None:
    assert [short(x) for x in (2.0, 0.05, 1e-3, 3e-7)] == ["2", "0.05", "$10^{-3}$", r"$3\times 10^{-7}$"]
