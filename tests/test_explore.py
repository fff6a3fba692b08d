"""The explorer without a browser: its sliders, what it shows of a model, its charts, saved runs, its command."""

import functools
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import toymodel as tm
from toymodel.explore import answer, drawing, settings
from toymodel.plot import COLOURS

ROOT = Path(__file__).parent.parent
GROKKING = ROOT / "validate" / "data" / "realnet" / "grokking.nc"
START = settings.settled({})
SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    """The chart as XML; fails where it is none."""
    return ET.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def curve(svg: str, colour: str, dashed: bool = False) -> np.ndarray:
    """Pixels (k, 2) of the first curve of this colour."""
    for line in parsed(svg).iter(f"{SVG}polyline"):
        if line.get("stroke") == colour and ("stroke-dasharray" in line.attrib) == dashed:
            return np.array([[float(x) for x in point.split(",")] for point in line.get("points", "").split()])
    raise AssertionError(f"no curve in {colour}")


def test_the_sliders_begin_at_the_papers_model() -> None:
    assert settings.model(START) == tm.TwoCircuitModel()
    assert START["t_end"] == 1000.0


at_start = functools.cache(lambda: answer.answer(START))


@pytest.mark.parametrize("slider", settings.SLIDERS.values(), ids=lambda s: s.name)
def test_every_position_of_a_slider_is_a_legal_value(slider: settings.Slider) -> None:
    assert slider.default in slider.steps
    assert list(slider.steps) == sorted(set(slider.steps))
    for value in slider.steps:
        assert slider.nearest(value) == value
        settings.model({**START, slider.name: value})


@pytest.mark.parametrize("slider", settings.SLIDERS.values(), ids=lambda s: s.name)
def test_every_slider_stands_in_one_group_and_changes_the_answer(slider: settings.Slider) -> None:
    assert sum(slider.name in names for names in settings.GROUPS.values()) == 1
    moved = {**START, slider.name: slider.nearest(1.3 * slider.default or 0.5)}
    before, after = at_start().run, answer.answer(moved).run
    assert before.time[-1] != after.time[-1] or not np.allclose(before.logits, after.logits, rtol=1e-6)


@given(gen=st.floats(0.02, 5), mem=st.floats(0.02, 5), exponent=st.floats(0.1, 2))
def test_efficiencies_meet_at_the_stated_critical_size(gen: float, mem: float, exponent: float) -> None:
    values = {**START, "gen_efficiency": gen, "mem_efficiency": mem, "exponent": exponent}
    size = settings.critical_size(values)
    assume(1e-9 < size < 1e14)
    assert settings.model({**values, "dataset_size": size}).efficiency_ratio == pytest.approx(1.0)
    at_reference = settings.model({**values, "dataset_size": settings.REFERENCE_SIZE})
    assert at_reference.efficiencies == pytest.approx([gen, mem])


@pytest.mark.parametrize("place", settings.PLACES)
def test_every_place_to_begin_at_is_answered(place: str) -> None:
    found = answer.answer(settings.settled(settings.PLACES[place]))
    assert found.run.behaviour != "failed"
    text = answer.headline(found) + answer.table(answer.rows(found)) + "".join(answer.charts(found))
    assert found.run.behaviour in text
    assert "nan" not in text
    assert "inf" not in text.replace("ν, sharpness</td><td>inf", "")


def test_places_show_what_they_are_called() -> None:
    behaviours = {place: answer.answer(settings.settled(v)).run.behaviour for place, v in settings.PLACES.items()}
    assert behaviours["The paper's run"] == "grokking"
    assert behaviours["Gen learns fast"] == "comprehension"
    assert behaviours["Too little data"] == "memorisation"
    assert behaviours["Ungrokking"] == "ungrokking"


def test_the_answer_is_that_of_simulate_and_steady_state() -> None:
    found, run, rest = answer.answer(START), tm.simulate(), tm.steady_state()
    assert found.run.behaviour == run.behaviour
    assert [found.run.t_fit, found.run.t_cross, found.run.t_gen] == pytest.approx([run.t_fit, run.t_cross, run.t_gen])
    assert found.rest is not None
    assert found.rest.logits == pytest.approx(rest.logits)
    shown = dict(row for _, rows in answer.rows(found) for row in rows)
    assert float(shown["t_gen, generalises"]) == pytest.approx(run.t_gen, rel=1e-3)
    assert shown["D_crit, where they meet"] == "1000 examples"


def test_curves_stand_where_the_run_does() -> None:
    found = answer.answer(START)
    logits, losses, norms = answer.charts(found)
    for chart, kind, quantity in (
        (logits, "gen", "gen_logit"),
        (logits, "mem", "mem_logit"),
        (norms, "mem", "mem_norm"),
    ):
        pixels, values = curve(chart, COLOURS[kind]), getattr(found.run, quantity)[found.run.time >= 0.1]
        # Pixels are linear in the quantity.
        slope, constant = np.polyfit(values, pixels[-values.size :, 1], 1)
        assert slope < 0
        assert np.abs(slope * values + constant - pixels[-values.size :, 1]).max() < 0.2
    assert curve(losses, COLOURS["train"]).shape[1] == 2
    assert curve(losses, COLOURS["test"], dashed=True).shape[1] == 2


@given(low=st.floats(1e-6, 1e3), span=st.floats(1.5, 1e9), share=st.floats(0, 1), log=st.booleans())
def test_an_axis_reads_what_it_places(low: float, span: float, share: float, log: bool) -> None:
    axis = drawing.Axis("x", low, low * span, log)
    assert float(axis.place(axis.value(share))) == pytest.approx(share, abs=1e-6)
    for value, text in axis.ticks():
        assert axis.low <= value <= axis.high * (1 + 1e-9)
        assert text


@pytest.mark.parametrize(
    ("across", "up"), [("dataset_size", "kappa"), ("weight_decay", "t_end"), ("kappa", "dataset_size")]
)
def test_a_click_leads_to_the_behaviour_that_was_clicked(across: str, up: str) -> None:
    found = answer.phases(START, across, up)
    rows, columns = found.names.shape
    rng, agree, asked = np.random.default_rng(0), 0, 0
    for _ in range(12):
        i, j = rng.integers(1, rows - 1), rng.integers(1, columns - 1)
        if len(set(found.names[i - 1 : i + 2, j - 1 : j + 2].ravel().tolist())) > 1:
            continue  # a slider's position next to a border may lie beyond it
        moved = answer.clicked(found, across, up, (j / (columns - 1), i / (rows - 1)))
        assert set(moved) == {across, up}
        assert all(value in settings.SLIDERS[name].steps for name, value in moved.items())
        asked += 1
        agree += answer.answer({**START, **moved}).run.behaviour == found.names[i, j]
    assert agree == asked > 3


def test_a_click_on_the_mark_moves_nothing() -> None:
    found = answer.phases(START, "dataset_size", "kappa")
    html = answer.phase_chart(found, START, "dataset_size", "kappa")
    picture = parsed(html[html.index("<svg") : html.rindex("</svg>") + 6])
    mark = next(picture.iter(f"{SVG}circle"))
    area = next(e for e in picture.iter(f"{SVG}rect") if e.get("data-area"))
    x, y, width, height = (float(area.get(n, "")) for n in ("x", "y", "width", "height"))
    place = ((float(mark.get("cx", "")) - x) / width, (y + height - float(mark.get("cy", ""))) / height)
    assert {**START, **answer.clicked(found, "dataset_size", "kappa", place)} == START


@pytest.mark.parametrize(
    "start", [{}, {"mem_initial_logit": 1.0}, {"gen_initial_logit": 1.0, "mem_initial_logit": 1.0}]
)
def test_a_phase_diagram_reaches_as_far_as_the_model_does(start: dict[str, float]) -> None:
    found = answer.phases({**START, **start}, "dataset_size", "kappa")
    assert "failed" not in found.names
    if len(start) == 2:
        assert (found.y.low, found.y.high) == answer.AXES["kappa"]


def test_values_may_be_typed_between_the_sliders_positions() -> None:
    typed = settings.settled(
        {"weight_decay": 0.0051234, "num_classes": 97.4, "exponent": 99.0, "dataset_size": float("nan")}
    )
    assert (typed["weight_decay"], typed["num_classes"], typed["exponent"]) == (0.0051234, 97.0, 2.0)
    assert typed["dataset_size"] == 4000.0
    assert answer.answer(typed).run.model.weight_decay == 0.0051234


@pytest.mark.parametrize("place", settings.PLACES)
def test_the_sliders_as_a_program_give_the_same_run(place: str) -> None:
    values = settings.settled(settings.PLACES[place])
    made: dict[str, Any] = {}
    exec(settings.python(values).replace("run.plot()", ""), made)
    shown = answer.answer(values).run
    assert made["run"].behaviour == shown.behaviour
    assert made["run"].t_end == shown.t_end
    np.testing.assert_allclose(made["run"].logits[-1], shown.logits[-1], rtol=1e-4, atol=1e-9)
    assert ("simulate()" in settings.python(values)) == (values == START)


def test_the_beginning_of_a_long_run_is_drawn() -> None:
    found = answer.answer({**START, "t_end": 1e9})
    chart = answer.charts(found)[0]
    assert ">fits<" in chart
    assert ">generalises<" in chart


def test_every_stable_state_is_drawn() -> None:
    start = {**START, "kappa": 3.0, "gen_initial_logit": 5.0, "mem_initial_logit": 0.01}
    for values, states in ((START, 1), (start, 3)):
        found = answer.answer(values)
        assert found.rest is not None
        rests = [found.rest, *(state for state in found.rest.others if state.stable)]
        assert len(rests) == states
        drawn = [
            line
            for line in parsed(answer.charts(found)[0]).iter(f"{SVG}polyline")
            if line.get("stroke-dasharray") == "1 4"
        ]
        assert len(drawn) == 2 * states
        assert (f"at rest ({states} states)" in answer.charts(found)[0]) == (states > 1)


def test_two_equal_axes_are_refused() -> None:
    with pytest.raises(ValueError, match="two different axes"):
        answer.phases(START, "kappa", "kappa")


def test_what_the_model_refuses_is_shown_in_its_own_words() -> None:
    with pytest.raises(ValueError, match="Above κ = 2") as refused:
        answer.answer({**START, "kappa": 3.0})
    said = str(refused.value)
    assert "Move W_gen(0) and W_mem(0) above 0" in said
    for name in ("logit_floor", "norm_power", "learning_speed", "README"):  # no slider is called so
        assert name not in said
    assert "Move W_gen(0)" in answer.refusal(refused.value)
    answer.answer({**START, "kappa": 3.0, "gen_initial_logit": 0.01, "mem_initial_logit": 0.01})
    assert "&lt;" in answer.refusal(ValueError("<script>"))


def test_areas_of_a_phase_diagram_tile_it_row_by_row() -> None:
    axes = (drawing.Axis("x", 0.0, 4.0), drawing.Axis("y", 0.0, 2.0))
    names = np.array([["a", "b", "b", "a"], ["b", "b", "b", "a"]])
    chart = drawing.phase("title", *axes, names, {"a": "red", "b": "blue"}, (1.0, 0.5), None)
    areas = [r for r in parsed(chart).iter(f"{SVG}rect") if r.get("fill") in ("red", "blue")]
    left, width = ([float(r.get(name, "nan")) for r in areas] for name in ("x", "width"))
    cell = (max(np.add(left, width)) - 0.5 - min(left)) / 4
    starts = np.subtract(left, min(left)) / cell
    np.testing.assert_allclose(starts, [0, 1, 3, 0, 3], atol=0.01)
    np.testing.assert_allclose(np.subtract(width, 0.5) / cell, [1, 2, 1, 3, 1], atol=0.01)
    assert [r.get("fill") for r in areas] == ["red", "blue", "red", "blue", "red"]


def command(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """`python -m toymodel explore`, after `code`."""
    run = f"{code}\nimport runpy, sys\nsys.argv[1:] = {['explore', *arguments]}\n"
    run += "runpy.run_module('toymodel', run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, env=environment, timeout=120)


def test_a_missing_marimo_is_named_with_its_remedy() -> None:
    done = command(code="import sys; sys.modules['marimo'] = None")
    assert done.returncode == 1
    assert "marimo is not installed" in done.stderr
    assert "pip install 'two-circuits[explore]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_results_that_are_not_there_are_refused_before_anything_is_served() -> None:
    pytest.importorskip("marimo")
    done = command("--data", "nowhere.nc")
    assert done.returncode == 1
    assert "got 'nowhere.nc'" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_serves_until_it_is_stopped_and_wants_a_port_of_its_own() -> None:
    pytest.importorskip("marimo")
    run = [sys.executable, "-m", "toymodel", "explore", "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        port = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        assert port, line + server.communicate()[1]
        if hasattr(signal, "SIGPIPE"):  # as when a page is closed while it is answered
            server.send_signal(signal.SIGPIPE)
        with urllib.request.urlopen(port.group()) as answered:
            assert b"two-circuits" in answered.read()
        done = command("--port", port.group(1))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"port {port.group(1)} must be free" in done.stderr
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert server.stderr is not None
        assert "Traceback" not in server.stderr.read()


def asked(stamp: float, **moved: float) -> Any:
    """An explorer whose page has moved some sliders and asks."""
    pytest.importorskip("anywidget")
    from toymodel.explore.explorer import Explorer

    explorer = Explorer()
    explorer.axes = ("dataset_size", "kappa")
    explorer.sliders.set_state({"values": {**START, **moved}, "asked": stamp})
    return explorer


def test_a_move_is_answered_by_widgets_alone() -> None:
    explorer = asked(7.0, dataset_size=398)
    assert explorer.values == {**START, "dataset_size": 398.0}
    assert ">memorisation<" in explorer.curves.html
    assert "D_crit" in explorer.numbers.html
    assert explorer.sliders.answered == 7.0


def test_a_refused_move_is_answered_too() -> None:
    explorer = asked(7.0, kappa=10)
    assert "Above κ = 2" in explorer.curves.html
    assert explorer.numbers.html == ""
    assert explorer.sliders.answered == 7.0


def test_no_answer_waits_for_a_phase_diagram(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("anywidget")
    from toymodel.explore import explorer

    sweep, begun, go_on = answer.phases, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> answer.Phases:
        begun.set()
        go_on.wait(60)
        return sweep(*arguments)

    monkeypatch.setattr(explorer, "REST", 0.0)
    monkeypatch.setattr(answer, "phases", slow)
    made = asked(1.0, dataset_size=398)
    assert begun.wait(60)
    made.move(dataset_size=4000.0)
    assert ">grokking<" in made.curves.html
    assert made.diagram.html == ""
    go_on.set()
    made.resting.join(60)
    assert made.drawn == (START, made.axes)
    assert "data-area" in made.diagram.html


def test_the_page_runs_without_a_browser() -> None:
    pytest.importorskip("marimo")
    pytest.importorskip("anywidget")
    from toymodel.explore.app import app

    _, made = app.run()
    explorer = made["explorer"]
    shown = [name for _, members in explorer.sliders.groups for name, *_ in members]
    assert sorted(shown) == sorted(settings.SLIDERS)
    assert ">grokking<" in explorer.curves.html
    explorer.resting.join(60)
    assert "data-area" in explorer.diagram.html
    explorer.diagram.clicked = [0.1, 0.5, 1.0]
    assert explorer.sliders.values["dataset_size"] == pytest.approx(100 * 1000**0.1, rel=0.05)
    assert ">memorisation<" in explorer.curves.html
