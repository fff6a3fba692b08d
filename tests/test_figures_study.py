"""figures.study: what figures read of saved runs, and that it is what validate judges."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from figures.lines import beside
from figures.paths import SAVED
from figures.study import Study

QUICK = SAVED / "validate" / "quick"


@pytest.fixture(scope="module")
def study() -> Study:
    """The saved quick runs."""
    return Study(QUICK)


def test_runs_come_by_seed_then_size_then_weight_decay(study: Study) -> None:
    order = [
        tuple(run.config[k] for k in ("seed", "dataset_size", "weight_decay")) for run in study.runs("base/ungrokking")
    ]
    assert order == sorted(order)
    assert len(order) > 5


def test_test_accuracy_pools_never_seen_and_removed_pairs(study: Study) -> None:
    run = study.runs("base/ungrokking")[0]
    size, parent = run.config["dataset_size"], run.config["start_from"]["dataset_size"]
    never, removed = run.pairs - parent, parent - size
    right = never * run.unseen + removed * run.removed
    np.testing.assert_allclose(run.test, right / (never + removed), rtol=1e-6)


def test_circuits_add_up_to_the_right_logit_of_training_pairs(study: Study) -> None:
    run = study.runs("base/scratch_coupled")[0]
    step, gen, mem = run.circuits()
    raw = run.full[["gen_logit", "mem_logit"]].dropna("step")
    share = run.config["dataset_size"] / run.pairs
    # Over all pairs: Gen everywhere, Mem on the training pairs only.
    np.testing.assert_allclose(gen + share * mem, raw.gen_logit + 0 * step, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(gen + mem, raw.gen_logit + raw.mem_logit, rtol=1e-3, atol=1e-3)


def _saved(folder: Path, name: str, status: list[str], **attributes: str) -> None:
    common = {"device": "cpu", "processor": "a chip", "dtype": "float32", "commit": "0123456789abcdef", "configs": "{}"}
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    xr.Dataset({"status": ("seed", status)}, attrs=common | attributes).to_netcdf(folder / name, engine="netcdf4")


def test_the_source_counts_runs_and_names_every_commit_and_day(tmp_path: Path) -> None:
    _saved(tmp_path, "base/a.nc", ["finished", "diverged", "absent"])
    study = Study(tmp_path)
    study.dataset("base/a")
    assert study.about() == {
        "n": 2,
        "source": "1 of 2 runs finished; trained on cpu (a chip) in float32; commit 0123456789.",
    }
    _saved(
        tmp_path,
        "base/b.nc",
        ["finished"],
        date="2026-11-23T06:00 | 2026-11-24",
        commit="fedcba9876543210 | 0123456789abcdef",
    )
    study.dataset("base/b")
    assert study.about()["n"] == 3
    assert str(study.about()["source"]).endswith("2026-11-23 to 2026-11-24; commits 0123456789, fedcba9876.")


def test_nothing_read_is_nothing_said(tmp_path: Path) -> None:
    assert Study(tmp_path).about() == {}
    assert Study(tmp_path).runs("base/none") == ()
    assert Study(tmp_path).tables("base/none").empty


def test_verdicts_of_another_format_are_refused_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "verdicts.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(ValueError, match=r"must have format 2; received 1.*python -m validate report"):
        _ = Study(tmp_path).verdicts


def test_runs_of_a_size_lie_side_by_side_and_near_it() -> None:
    table = pd.DataFrame({"dataset_size": [100, 100, 100, 400], "seed": [0, 40, 7, 40]})
    places = beside(table, 0.03)
    assert places[:3].is_monotonic_increasing
    assert places[:3].mean() == pytest.approx(100.0)
    assert np.ptp(places[:3]) == pytest.approx(2.0)
    assert places[3] == pytest.approx(400.0)
