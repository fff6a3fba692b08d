"""figures.study: what figures read of saved runs, and that it is what validate judges."""

import json
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from figures import render
from figures.catalogue import names, needs
from figures.lines import beside
from figures.networks import laws
from figures.paths import SAVED, Paths
from figures.study import Study
from figures.tasks import _absent
from validate.prediction import Basis, Column, Estimate, Finding, nothing
from validate.quantities import price_points
from validate.statistics.intervals import Interval
from validate.verdicts import load, save

QUICK = SAVED / "quick"
SMALL = Paths(data=QUICK)
SHOWN = [name for name in names(SMALL) if needs(SMALL, name) and not _absent(SMALL, name)]


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
    with pytest.raises(ValueError, match=r"must have format 3; received 1.*python -m validate report"):
        _ = Study(tmp_path).verdicts


def test_runs_of_a_size_lie_side_by_side_and_near_it() -> None:
    table = pd.DataFrame({"dataset_size": [100, 100, 100, 400], "seed": [0, 40, 7, 40]})
    places = beside(table, 0.03)
    assert places[:3].is_monotonic_increasing
    assert places[:3].mean() == pytest.approx(100.0)
    assert np.ptp(places[:3]) == pytest.approx(2.0)
    assert places[3] == pytest.approx(400.0)


@pytest.mark.parametrize("name", SHOWN)
def test_a_small_study_is_drawn_whatever_it_cannot_decide(name: str) -> None:
    module, small = render.load(SMALL, name), Study(QUICK)
    with plt.rc_context(fname=SMALL.style):
        fig, numbers = module.draw(small)
        fig.canvas.draw()
        plt.close(fig)
    words = json.loads(render.caption(name, name, module.CAPTION, small.about() | numbers))["caption"]
    assert "nan" not in words.split()
    assert f"n = {numbers['n']}" in words


def test_a_small_study_has_figures() -> None:
    # What the demonstration trained; a figure of settings or circuits that it did not train is left out.
    assert {"efficiency", "ungrokking", "scorecard"} <= set(SHOWN)


def test_networks_of_after_the_rules_are_told_from_those_of_before(tmp_path: Path, study: Study) -> None:
    for file in QUICK.iterdir():
        if file.is_dir():
            (tmp_path / file.name).symlink_to(file.resolve())
    pairs = price_points(study, laws.BEFORE).assign(setting="laws-43")
    judged = load(QUICK / "verdicts.json")
    first, *rest = judged["P19"].prediction.criteria
    gamma = Finding(first, Estimate(Interval(0.4, 0.3, 0.5, 3), Basis(9, 2)), "confirmed")
    others = (Finding(criterion, nothing("not asked"), "inconclusive") for criterion in rest)
    column = Column("inconclusive", (gamma, *others), tables={"pairs": pairs.to_dict("records")})
    new = replace(judged["P19"], columns={**judged["P19"].columns, "coupled": column})
    save(tmp_path / "verdicts.json", replace(judged, verdicts=[*(v for v in judged.verdicts if v.id != "P19"), new]))

    fig, numbers = laws.draw(Study(tmp_path))
    left = fig.axes[0]
    marks = [line for line in left.lines if line.get_marker() == "o" and len(line.get_xdata())]
    drawn = {size: sum(len(m.get_xdata()) for m in marks if m.get_markersize() == size) for size in (4.2, 2.6)}
    hollow = sum(len(m.get_xdata()) for m in marks if m.get_markerfacecolor() == "none")
    labels = [text.get_text() for text in left.get_legend().get_texts()]
    plt.close(fig)
    below = int((pairs.slope <= 0).sum())
    assert drawn[4.2] == drawn[2.6] >= len(pairs) - numbers["below"]
    assert numbers["below"] >= 2 * below
    assert hollow > 0
    assert "memorising: γ = 0.4 (0.3 to 0.5, n = 3, 2 of 9 still moving)" in labels
    assert str(numbers["when"]).startswith(f"New to the laws: {len(pairs)} of {2 * len(pairs)} points left")
    assert not any("not trained" in text.get_text() for text in left.texts)


def test_a_figure_says_that_nothing_is_held_out_yet(study: Study) -> None:
    fig, numbers = laws.draw(study)
    said = [text.get_text() for text in fig.axes[0].texts]
    plt.close(fig)
    assert any("not trained yet" in text for text in said)
    assert "nothing is held out" in str(numbers["when"])


def test_what_lies_beside_a_study_is_never_the_study_itself(tmp_path: Path) -> None:
    mine = Paths(data=tmp_path / "standard")
    assert mine.saved("paper/base/ungrokking.nc") == tmp_path / "paper" / "base" / "ungrokking.nc"
    assert mine.saved("omnigrok/teacher/free.nc") == tmp_path / "standard" / "teacher" / "free.nc"
    assert mine.saved("base/scratch.nc") == tmp_path / "standard" / "base" / "scratch.nc"
    assert {mine.saved("realnet/grokking.nc"), Paths().saved("realnet/grokking.nc")} == {
        SAVED / "realnet" / "grokking.nc"
    }
    assert Paths().saved("paper/base/ungrokking.nc") == SAVED / "paper" / "base" / "ungrokking.nc"
    assert Paths().saved("omnigrok/verdicts.json") == SAVED / "omnigrok" / "verdicts.json"
