"""The explorer beside a real run: saved runs are found, read, and laid over the toy's."""

from pathlib import Path

import numpy as np
import pytest

from tests.test_explore import GROKKING, ROOT, START, curve, parsed
from toymodel.explore import answer, beside, nets, settings
from toymodel.plot import COLOURS


def test_kept_runs_are_found_and_read() -> None:
    assert GROKKING in nets.files(str(ROOT / "figures" / "data"))
    found = nets.runs(GROKKING)
    assert set(found) == {"D = 3831, decay = 1, seed = 0", "D = 3831, decay = 1, seed = 1"}
    net = next(iter(found.values()))()
    assert net.behaviour == "grokking"
    assert net.num_classes == 113
    step, accuracy = net.curves["train_accuracy"]
    fit = nets.first_fit(net)
    assert fit is not None
    assert accuracy[step == fit] >= 0.99
    assert np.all(accuracy[step < fit] < 0.99)


@pytest.mark.parametrize("path", nets.files(str(ROOT / "figures" / "data")), ids=lambda p: "-".join(p.parts[-3:]))
def test_every_kept_file_can_be_laid_beside_the_toy(path: Path) -> None:
    if path.parent.name == "molecules":
        with pytest.raises(ValueError, match="judged by loss alone"):
            nets.runs(path)
        return
    runs = nets.runs(path)
    net = next(iter(runs.values()))()
    found = answer.answer(START)
    pace = beside.meeting_pace(net, found)
    assert pace > 0
    for chart in beside.overlay(net, found, pace):
        assert "nan" not in chart
        parsed(chart)


def test_sliders_read_off_a_run_give_the_toy_its_logit_and_norm() -> None:
    """η = s^(1/κ)/‖w‖: a circuit with the measured logit needs the measured norm."""
    net = next(iter(nets.runs(GROKKING).values()))()
    values = {**START, **nets.read_off(net, START)}
    model = settings.model(values)
    logit = net.end("train_logit")
    assert logit ** (1 / values["kappa"]) / model.efficiencies[0] == pytest.approx(net.end("norm"), rel=1e-6)
    assert settings.critical_size(values) == pytest.approx(settings.critical_size(START))
    assert values["weight_decay"] == pytest.approx(net.end("effective_weight_decay"))
    assert (model.num_classes, values["dataset_size"]) == (113, 3831.0)


def test_a_net_that_starts_grokked_gives_the_toy_a_grown_gen() -> None:
    run = nets.runs(ROOT / "figures" / "data" / "validate" / "standard" / "base" / "ungrokking_coupled.nc")
    net = next(iter(run.values()))()
    values = {**START, **nets.read_off(net, START)}
    assert values["gen_initial_logit"] == pytest.approx(net.start("train_logit")) != nets.SEED
    assert values["mem_initial_logit"] == nets.SEED
    # At the end Mem leads, so that the measured efficiency is Mem's at this D.
    eta = net.end("train_logit") ** (1 / values["kappa"]) / net.end("norm")
    assert settings.model(values).efficiencies[1] == pytest.approx(eta)


def test_net_and_toy_fit_at_the_same_step() -> None:
    net, found = next(iter(nets.runs(GROKKING).values()))(), answer.answer(START)
    pace = beside.meeting_pace(net, found)
    assert found.run.t_fit is not None
    assert found.run.t_fit * pace == pytest.approx(nets.first_fit(net))
    losses, _, logits, norm = beside.overlay(net, found, pace)
    for chart, colour in ((losses, COLOURS["train"]), (logits, COLOURS["gen"]), (norm, beside.INK)):
        assert len(curve(chart, colour)) > 50
        assert len(curve(chart, colour, dashed=True)) > 50


def test_numbers_of_net_and_toy_stand_in_steps_beside_each_other() -> None:
    net, found = next(iter(nets.runs(GROKKING).values()))(), answer.answer(START)
    (_, measured), (_, toy) = beside.rows(net, found, beside.meeting_pace(net, found))
    assert dict(toy)["fits at step"] == dict(measured)["fits at step"] == answer.when(nets.first_fit(net))
    _, (_, short) = beside.rows(net, answer.answer({**START, "t_end": 1.0}), 7.0)
    assert (dict(short)["fits at step"], dict(short)["steps per unit of flow time"]) == ("never", "7")


def test_a_net_that_fits_from_the_start_ends_with_the_toy() -> None:
    run = nets.runs(ROOT / "figures" / "data" / "validate" / "standard" / "base" / "ungrokking.nc")
    net, found = next(iter(run.values()))(), answer.answer(START)
    assert net.curves["train_accuracy"][1].min() >= 0.99
    assert beside.meeting_pace(net, found) * found.run.t_end == net.curves["train_accuracy"][0][-1]


def test_no_results_and_no_results_file_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="netCDF file or a folder"):
        nets.files(str(tmp_path))
    broken = tmp_path / "broken.nc"
    broken.write_text("nothing")
    assert nets.files(str(broken)) == [broken]
    with pytest.raises(ValueError, match=r"broken\.nc is not"):
        nets.runs(broken)
