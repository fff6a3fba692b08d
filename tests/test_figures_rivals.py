"""Figures of the rival theory draw what was judged, say what is missing, and hold on a part of the data."""

import json
import math
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from figures.page import html
from figures.rivals import digits, free_runs, landscapes, lu_forecast, norm_or_scale, theories
from figures.study import Study
from validate.prediction import Basis, Claim, Column, Criterion, Estimate, Finding, Verdict, nothing
from validate.predictions import ALL as EVERY
from validate.statistics.intervals import Interval
from validate.verdicts import Judgement, load, save

NORMS = (1.0, 2.0, 4.0, 8.0)
ALL = (landscapes, free_runs, lu_forecast, norm_or_scale, digits, theories)


def estimate(value: float) -> Estimate:
    return Estimate(Interval(value, value - 0.1, value + 0.1, 3), Basis(3, 0))


def finding(name: str, value: float, verdict: str = "confirmed", low: float = -math.inf, high: float = 1.1) -> Finding:
    return Finding(Criterion(name=name, unit="1", low=low, high=high), estimate(value), verdict)


def column(
    findings: list[Finding], verdict: str = "confirmed", beside: dict[str, Estimate] | None = None, **tables: Any
) -> Column:
    return Column(verdict, tuple(findings), beside or {}, tables)


def prediction(id: str, columns: dict[str, Column]) -> Verdict:
    criteria = tuple({f.criterion.name: f.criterion for c in columns.values() for f in c.findings}.values())
    claim = Claim(id=id, claim=f"Claim of {id}.", source="a paper", statistic="a mean", claimed=dict.fromkeys(columns, ""),
                  experiments=(f"teacher/{id.lower()}",), criteria=criteria, says=EVERY[id].says,
                  columns=tuple(columns))  # fmt: skip
    return Verdict(claim, columns)


def loss_outside(norm: float) -> float:
    """With no more digits than verdicts have."""
    return round(0.1 + math.log(norm / 4) ** 2, 5)


def landscape() -> list[dict[str, Any]]:
    return [{"dataset_size": size, "init_scale": norm / 4, "start_norm": norm, "train_loss": 1 / norm / size,
             "test_loss": loss_outside(norm), "train": 1.0, "test": 1 - norm / 20} for size in (50, 100)
            for norm in NORMS]  # fmt: skip


def forecasts() -> list[dict[str, Any]]:
    return [{"seed": seed, "weight_decay": decay, "t_gen": 1000.0 * (1 + seed) / decay, "lu_time": 2000.0 / decay,
             "lu_at_level_time": 1500.0 / decay, "norm_law_time": None} for seed in (0, 1)
            for decay in (0.1, 1.0)]  # fmt: skip


def judged_forecasts() -> Column:
    """LU is off by factors, the norm law says nothing."""
    laws = {lu_forecast.LAWS["lu_at_level"]: estimate(0.7), lu_forecast.LAWS["norm_law"]: nothing("")}
    return column([finding(lu_forecast.ERROR, 0.35, "refuted")], "refuted", laws, forecasts=forecasts())


def cells() -> list[dict[str, Any]]:
    return [{"init_scale": alpha, "temperature": t, "seed": seed, "start_norm": 8 * alpha,
             "t_gen": None if alpha == 2 and t == 1 and seed else 10.0 * alpha / t + seed} for seed in (0, 1)
            for alpha, t in ((1.0, 1.0), (1.0, 1 / 8), (2.0, 8.0), (2.0, 1.0))]  # fmt: skip


def times() -> list[dict[str, Any]]:
    return [{"init_scale": 2.0, "weight_decay": decay, "seed": 0, "steps": 900, "t_fit": 30.0, "t_gen": 50 / decay}
            for decay in (0.1, 1.0)]  # fmt: skip


def unlearned() -> list[dict[str, Any]]:
    return [{"dataset_size": size, "seed": seed, "test": 0.3 + seed / 10 + size / 2000} for size in (10, 1000)
            for seed in (0, 1, 2)]  # fmt: skip


def norms() -> list[dict[str, Any]]:
    return [{"dataset_size": size, "seed": seed, "labels": labels, "norm": 10.0 + size / 100 * (labels == "shuffled")}
            for size in (100, 1000) for seed in (0, 1) for labels in digits.CIRCUITS]  # fmt: skip


def saved(file: Path, steps: int = 900) -> None:
    """Two runs as `realnet` saves them, from a large start, accuracy outside the training set rising with γ × steps."""
    step, decays = np.linspace(0, steps, 10), (0.1, 1.0)
    config = {"dataset_size": 100, "seed": 0, "init_scale": 2.0, "steps": steps, "optimizer": "adamw"}
    rise = np.array([np.clip(decay * step / 500, 0, 1) for decay in decays])
    names = {"train_accuracy": np.ones_like(rise), "unseen_accuracy": rise, "norm": 20 - rise}
    ds = xr.Dataset(
        {"status": ("run", ["finished"] * 2), "key": ("run", ["a", "b"])}
        | {f"light_{k}": (("run", "light_step"), v) for k, v in names.items()}
        | {k: (("run", "step"), v[:, 1:2]) for k, v in names.items()},
        {"light_step": step, "step": step[1:2]},
        {"configs": json.dumps({k: config | {"weight_decay": d} for k, d in zip("ab", decays, strict=True)})},
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    ds.to_netcdf(file, engine="netcdf4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A judged part of the rival's runs: teacher and student alone."""
    o1 = [finding("ends", 3.0, low=0.22, high=math.inf), finding("rise", 0.0, high=0.1)]
    o2 = [finding(free_runs.GEN, -0.9), finding(free_runs.FIT, 0.0)]
    o3 = [finding(name, value) for name, value in zip(free_runs.DELAYS, (3.4, 0.1), strict=True)]
    with_bottom = column(o1, beside={landscapes.BOTTOM: estimate(1.4)}, landscape=landscape())
    factors = {name: estimate(1.0) for name in norm_or_scale.FACTORS.values()}
    with_factors = column([finding("share", 0.9)], beside=factors, cells=cells())
    predictions = [
        prediction("O1", {"teacher": with_bottom, "digits": column([], "not tested")}),
        prediction("O2a", {"teacher": column(o2, times=times())}),
        prediction("O3", {"teacher": column(o3, times=times())}),
        prediction("O4", {"teacher": column([], "not tested")}),
        prediction("O5", {"teacher": judged_forecasts()}),
        prediction(
            "O9a",
            {
                "digits": column(
                    [finding(f"slope of ln η on ln D, {label}", -0.2) for _, label in digits.CIRCUITS.values()],
                    norms=norms(),
                )
            },
        ),
        prediction("O9b", {"digits": column([finding(digits.BOTTOM, 0.24)], runs=unlearned())}),
        prediction("O7", {"teacher": with_factors}),
    ]
    found = Judgement(profile="part", runs=12, finished=12, experiments=[], untrained=[], provenance={}, trained=12,
                      core_seconds=1.0, verdicts=predictions, tables={})  # fmt: skip
    save(tmp_path / "verdicts.json", found)
    for kind in ("strict", "scale"):
        saved(tmp_path / "teacher" / f"{kind}.nc")
    return tmp_path


@pytest.mark.parametrize("figure", ALL, ids=lambda figure: figure.__name__.rpartition(".")[2])
def test_a_part_of_the_data_is_drawn_and_what_is_missing_is_said(figure: Any, folder: Path) -> None:
    study = Study(folder)
    fig, numbers = figure.draw(study)
    fig.canvas.draw()
    caption = figure.CAPTION.format(**numbers)
    plt.close(fig)
    assert numbers["n"] > 0
    assert "nan" not in caption
    if "remark" in numbers:
        assert "Missing: " in caption
        assert "digits" in str(numbers["remark"])
    assert study.about()["quoted"] or figure is theories


def test_a_landscape_is_drawn_at_its_largest_size_with_its_bottom(folder: Path) -> None:
    fig, numbers = landscapes.draw(Study(folder))
    train, test = fig.axes[0].lines[:2]
    np.testing.assert_allclose(train.get_xdata(), NORMS)
    np.testing.assert_allclose(train.get_ydata(), [1 / norm / 100 for norm in NORMS])
    np.testing.assert_allclose(test.get_ydata(), [loss_outside(norm) for norm in NORMS])
    plt.close(fig)
    assert numbers["bottoms"] == {"teacher": pytest.approx(math.exp(1.4))}
    assert numbers["confirmed"] == "teacher, student"


def test_free_runs_are_drawn_on_the_clock_of_their_decay(folder: Path) -> None:
    fig, _ = free_runs.draw(Study(folder))
    curves = [line for line in fig.axes[0].lines if line.get_linewidth() == 0.8]
    plt.close(fig)
    assert [curve.get_xdata()[-1] for curve in curves] == [90.0, 900.0]
    for curve in curves:
        np.testing.assert_allclose(curve.get_ydata(), np.clip(curve.get_xdata() / 500, 0, 1))


def test_forecasts_are_drawn_as_judged_and_their_errors_quoted(folder: Path) -> None:
    fig, numbers = lu_forecast.draw(Study(folder))
    drawn = {line.get_label(): line for line in fig.axes[0].lines}
    plt.close(fig)
    np.testing.assert_allclose(np.asarray(drawn["LU"].get_ydata(), float), [2e4, 2e3, 2e4, 2e3])
    np.testing.assert_allclose(np.asarray(drawn["LU"].get_xdata(), float), [1e4, 1e3, 2e4, 2e3])
    assert numbers["errors"] == "teacher, student 0.35, 0.7, not measured"


def test_what_the_norm_and_the_outputs_do_is_said_as_factors(folder: Path) -> None:
    fig, numbers = norm_or_scale.draw(Study(folder))
    plt.close(fig)
    assert numbers["factors"] == "teacher, student 1 (0.9 to 1.1); 1 (0.9 to 1.1) (n = 3)"


def test_digits_are_drawn_as_medians_and_norms_as_means(folder: Path) -> None:
    fig, numbers = digits.draw(Study(folder))
    np.testing.assert_allclose(np.asarray(fig.axes[0].lines[0].get_ydata(), float), [0.405, 0.9])
    np.testing.assert_allclose(np.asarray(fig.axes[1].lines[0].get_ydata(), float), [10.0, 10.0])
    plt.close(fig)
    assert numbers["bottom"].startswith("0.24")


def test_a_run_that_never_generalises_counts_to_its_end(folder: Path) -> None:
    fig, numbers = norm_or_scale.draw(Study(folder))
    plt.close(fig)
    assert numbers["times"]["teacher large 2"] == pytest.approx(math.sqrt(20 * 900))
    assert numbers["times"]["teacher small 1"] == pytest.approx(math.sqrt(10 * 11))
    assert len(numbers["times"]) == 4


def test_theories_are_counted_only_where_one_affirms_what_the_other_denies(folder: Path) -> None:
    fig, numbers = theories.draw(Study(folder))
    marks = [line for axes in fig.axes for line in axes.lines if line.get_marker() in "oX"]
    plt.close(fig)
    # O1 to O9b tell nothing apart; each firm word of a theory is drawn.
    assert (numbers["score_0"], numbers["score_1"]) == ("1, 0, 0", "0, 1, 0")
    assert numbers["apart"] == "O7 (teacher/o7)"
    assert len(marks) == 2


def test_the_page_has_a_column_for_each_task(folder: Path) -> None:
    page = html(load(folder / "verdicts.json"), folder)
    assert "<th>teacher</th><th>digits</th>" in page
    assert "Claim of O7." in page
