"""The explorer beside a real run: saved runs are found, read, and laid over the toy's."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import toymodel as tm
from tests.test_explore import GROKKING, ROOT, START, asked, at_start, curve, parsed
from toymodel.explore import answer, beside, drawing, match, nets
from toymodel.plot import COLOURS
from validate.measured import Results

DATA = ROOT / "validate" / "data"
STUDY = DATA / "standard"


def first(path: Path) -> nets.Net:
    """The first run of a file."""
    return next(iter(nets.runs(path).values()))()


def test_kept_runs_are_found_and_read() -> None:
    assert nets.default_place() == str(DATA)
    assert GROKKING in nets.files(str(DATA))
    found = nets.runs(GROKKING)
    assert set(found) == {"D = 3831, decay = 1, seed = 0", "D = 3831, decay = 1, seed = 1"}
    net = next(iter(found.values()))()
    assert net.reading.behaviour == "grokking"
    assert (net.num_classes, net.chance) == (113, 1 / 113)
    step, accuracy = net.train
    assert accuracy[step == net.reading.t_fit] >= 0.99
    assert np.all(accuracy[step < net.reading.t_fit] < 0.99)
    assert len(net.curves["train_accuracy"][0]) > len(step)  # drawn over both grids


@pytest.mark.parametrize(
    "name", ["base/ungrokking", "base/ungrokking_coupled", "base/scratch", "task-div/ungrokking", "task-s5/ungrokking"]
)
def test_a_run_has_the_name_that_the_judge_gives_it(name: str) -> None:
    """Of accuracy outside the training set on the even grid, never seen and removed pairs together."""
    results = Results(STUDY)
    judged = {json.dumps(run.config, sort_keys=True): run for run in results.runs(name) if len(run.step) > 1}
    seen = 0
    for read in nets.runs(results.file(name)).values():
        net = read()
        run = judged[json.dumps(net.config, sort_keys=True)]
        np.testing.assert_allclose(net.test[1], run.test, atol=1e-12)
        assert net.reading.behaviour == tm.classify_curves(run.step, run.train, run.test, run.classes)
        seen += 1
    assert seen == len(judged) > 7


@pytest.mark.parametrize("path", nets.files(str(ROOT / "validate" / "data")), ids=lambda p: "-".join(p.parts[-3:]))
def test_every_kept_file_can_be_laid_beside_the_toy(path: Path) -> None:
    if path.parent.name == "molecules":
        with pytest.raises(ValueError, match="judged by loss alone"):
            nets.runs(path)
        return
    net, run = first(path), at_start().run
    pace = beside.meeting_pace(net, run)
    assert pace > 0
    for chart in beside.overlay(net, run, pace):
        assert "nan" not in chart
        parsed(chart)
    assert "nan" not in answer.table(beside.rows(net, run, pace))


@pytest.mark.parametrize(
    ("name", "behaviour"),
    [
        ("base/scratch", "grokking"),
        ("base/scratch", "memorisation"),
        ("base/scratch", "comprehension"),
        ("base/ungrokking_coupled", "ungrokking"),
        ("base/ungrokking_coupled", "comprehension"),
    ],
)
def test_sliders_set_as_a_run_was_measured_give_the_toy_its_times_and_norm(name: str, behaviour: str) -> None:
    read = (run() for run in nets.runs(STUDY / f"{name}.nc").values())
    net = next(net for net in read if net.reading.behaviour == behaviour)
    values, said = match.matched(net)
    run = answer.answer(values).run
    assert run.behaviour == behaviour
    assert run.norm[-1] == pytest.approx(net.end("norm"), rel=1e-3)
    assert (run.model.num_classes, values["dataset_size"]) == (43, net.config["dataset_size"])
    pace = beside.meeting_pace(net, run)
    assert run.t_end * pace == pytest.approx(beside.last_step(net), rel=1e-6)
    if net.reading.t_fit > 0:
        assert run.t_fit is not None
        assert run.t_fit * pace == pytest.approx(net.reading.t_fit)
    if behaviour == "grokking":
        assert run.t_gen is not None
        assert run.t_gen * pace == pytest.approx(net.reading.t_gen, rel=0.02)
    assert any("D_crit is not told by one run" in text for text in said)
    assert any("κ stays 1.2 (measured" in text for text in said)


def test_a_ratio_of_times_out_of_the_toys_reach_is_said() -> None:
    net = first(GROKKING)
    hasty = dataclasses.replace(net, test=(net.test[0], np.where(net.test[0] > 0, 1.0, 0.0)))
    assert hasty.reading.behaviour == "comprehension"
    assert any("out of the toy's reach" in text for text in match.matched(hasty)[1])


def test_net_and_toy_fit_at_the_same_step() -> None:
    net, run = first(GROKKING), at_start().run
    pace = beside.meeting_pace(net, run)
    assert run.t_fit is not None
    assert run.t_fit * pace == pytest.approx(net.reading.t_fit)
    losses, _, logits, norm = beside.overlay(net, run, pace)
    for chart, colour in ((losses, COLOURS["train"]), (logits, COLOURS["gen"]), (norm, beside.INK)):
        assert len(curve(chart, colour)) > 50
        assert len(curve(chart, colour, dashed=True)) > 50


def test_the_toys_accuracies_are_drawn_as_what_it_is_named_by() -> None:
    net, run = first(GROKKING), at_start().run
    pace = beside.meeting_pace(net, run)
    chart = beside.overlay(net, run, pace)[1]
    steps = run.time * pace
    for colour, since in ((COLOURS["train"], run.t_fit), (COLOURS["test"], run.t_gen)):
        assert since is not None
        pixels = curve(chart, colour, dashed=True)
        line = drawing.HEIGHT - drawing.BOTTOM - 0.9 / 1.05 * (drawing.HEIGHT - drawing.TOP - drawing.BOTTOM)
        shown = (steps >= 1) & (steps <= beside.last_step(net))
        past = run.time[shown] >= since
        assert np.all(pixels[past][:, 1] <= line + 0.2)
        assert np.all(pixels[~past][:, 1] >= line - 0.2)


def test_numbers_of_net_and_toy_stand_in_steps_beside_each_other() -> None:
    net, run = first(GROKKING), at_start().run
    (_, measured), (_, toy) = beside.rows(net, run, beside.meeting_pace(net, run))
    assert dict(toy)["fits at step"] == dict(measured)["fits at step"] == answer.when(net.reading.t_fit)
    _, (_, short) = beside.rows(net, answer.answer({**START, "t_end": 1.0}).run, 7.0)
    assert (dict(short)["fits at step"], dict(short)["steps per unit of flow time"]) == ("never", "7")


def test_what_is_drawn_is_what_is_named() -> None:
    """A toy that groks after the net's last step has not grokked on this page."""
    made = asked(1.0)
    made.axes, made.net, made.pace = None, first(GROKKING), 1000.0
    made.show()
    assert ">unfinished<" in made.curves.html
    made.pace = 100.0
    made.show()
    assert made.curves.html.count(">grokking<") == 2


def test_a_net_that_fits_from_the_start_ends_with_the_toy() -> None:
    net, run = first(STUDY / "base" / "ungrokking.nc"), at_start().run
    assert net.train[1].min() >= 0.99
    assert beside.meeting_pace(net, run) * run.t_end == beside.last_step(net)


def test_a_csv_file_is_laid_beside_the_toy(tmp_path: Path) -> None:
    rows = ["step,train_acc,test_acc,train_loss,val_loss", "0,0.1,0.1,2.3,2.3", "50,1,,0.1,", "100,1,0.1,,3"]
    rows += [f"{s},1,0.99,0.01,0.1" for s in range(1000, 2001, 100)]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    (tmp_path / "folder.nc").mkdir()
    assert nets.files(str(tmp_path))[-1].name == "mine.csv"
    net = first(tmp_path / "mine.csv")
    assert (net.reading.behaviour, net.num_classes, net.chance) == ("grokking", None, 0.1)
    run = answer.answer(match.matched(net)[0]).run
    pace = beside.meeting_pace(net, run)
    assert run.t_gen is not None
    assert (run.behaviour, run.t_gen * pace) == ("grokking", pytest.approx(1000.0, rel=0.02))
    losses, accuracies, logits, _ = beside.overlay(net, run, pace)
    assert len(curve(losses, COLOURS["test"])) == len(curve(accuracies, COLOURS["test"])) + 0 == 12
    with pytest.raises(AssertionError):
        curve(logits, COLOURS["gen"])
    assert "nan" not in answer.table(beside.rows(net, run, pace))


def test_no_results_and_no_results_file_are_said_so(tmp_path: Path) -> None:
    for place in (str(tmp_path), "", "  "):
        with pytest.raises(ValueError, match="netCDF or CSV file, or a folder"):
            nets.files(place)
    broken = tmp_path / "broken.nc"
    broken.write_text("nothing")
    assert nets.files(str(broken)) == [broken]
    with pytest.raises(ValueError, match=r"broken\.nc is not"):
        nets.runs(broken)


def test_what_is_copied_beside_a_run_is_what_is_drawn_and_what_was_said_of_another_is_gone() -> None:
    pytest.importorskip("anywidget")
    from toymodel.explore.explorer import Explorer

    explorer = Explorer()
    runs = list(nets.runs(GROKKING).values())
    explorer.beside(runs[0]())
    explorer.take()
    assert explorer.said
    made: dict[str, Any] = {}
    exec(explorer.sliders.code.partition("print")[0], made)
    assert made["run"].behaviour == "grokking"
    pace = beside.meeting_pace(explorer.net, answer.run(explorer.values))
    assert made["run"].t_end == pytest.approx(beside.last_step(explorer.net) / pace)
    explorer.beside(runs[1]())
    assert not explorer.said
    # What the model refuses is copied as it stands.
    explorer.axes = ("dataset_size", "kappa")
    explorer.move(kappa=3.0)
    assert "kappa=3" in explorer.sliders.code
