"""The explorer in headless Chromium: a slider is moved and the behaviour read; nothing leaves the machine; nothing overlaps.

Skipped where there is no browser.  To run it: apt-get install chromium; pip install -c constraints.txt -e '.[browser]'.
Screenshots are kept in the folder $SCREENSHOTS, where that is set.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import matplotlib.image
import numpy as np
import pytest

from toymodel.explore.answer import answer, span, when
from toymodel.explore.drawing import HEIGHT, WIDTH
from toymodel.explore.settings import DEFAULTS, SLIDERS, python

pytest.importorskip("marimo", reason="no explorer: pip install -c constraints.txt -e '.[explore]'")
api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -c constraints.txt -e '.[browser]'")

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt-get install chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# The server's own connections: an audit hook prints each that is not to this machine.
WATCHED = """
import runpy, sys
def watch(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in ("127.0.0.1", "::1"):
        print("LEAVES THE MACHINE", arguments[1], flush=True)
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", "::1", "localhost", None):
        print("LEAVES THE MACHINE", arguments[0], flush=True)
sys.addaudithook(watch)
sys.argv[1:] = ["explore", "--no-browser"]
runpy.run_module("toymodel", run_name="__main__")
"""
# Pairs of texts that cover each other, and texts cut off at their chart's edge, in every chart on the page.
FAULTS = """() => {
  const charts = [], walk = (node) => node.querySelectorAll("*").forEach((e) => {
    if (e.tagName === "svg" && e.getAttribute("role") === "img") charts.push(e);
    if (e.shadowRoot) walk(e.shadowRoot);
  });
  walk(document);
  const faults = [];
  for (const chart of charts) {
    const edge = chart.getBoundingClientRect();
    const texts = [...chart.querySelectorAll("text")].map((e) => [e.textContent, e.getBoundingClientRect()]);
    texts.forEach(([word, a], i) => {
      if (a.left < edge.left - 1 || a.right > edge.right + 1 || a.bottom > edge.bottom + 1) faults.push("cut: " + word);
      for (const [other, b] of texts.slice(i + 1)) {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 1 && down > 3) faults.push(word + " covers " + other);
      }
    });
  }
  const page = document.querySelector("#App");
  if (page.scrollWidth > page.clientWidth) faults.push("the page scrolls sideways");
  return [charts.length, faults];
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The explorer's address, and the file of all that it prints."""
    log = tmp_path_factory.mktemp("explore") / "log"
    with log.open("w") as out:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen([sys.executable, "-c", WATCHED], stdout=out, stderr=out, env=environment)
    try:
        found, patience = None, time.monotonic() + 300  # the kernel may have to be compiled first
        while not found and process.poll() is None and time.monotonic() < patience:
            time.sleep(0.1)
            found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        assert found, log.read_text()
        yield found.group(), log
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    with api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


class Visit:
    """A page of the explorer, with every address that it asked for."""

    def __init__(self, browser: Any, address: str, size: dict[str, int]) -> None:
        self.requests: list[str] = []
        self.received: list[str] = []
        self.page = browser.new_page(viewport=size, has_touch=size == PHONE)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", self.connected)
        self.page.goto(address)
        self.page.wait_for_selector(".map svg", timeout=60_000)

    def connected(self, socket: Any) -> None:
        """Notes a connection and all that comes through it."""
        self.requests.append(socket.url)
        socket.on("framereceived", lambda message: self.received.append(str(message)))

    def expect(self, behaviour: str) -> None:
        """Waits until the first behaviour shown is this one."""
        api.expect(self.page.locator(".behaviour").first).to_have_text(behaviour, timeout=20_000)

    def slider(self, name: str) -> Any:
        """A slider."""
        return self.page.get_by_role("slider", name=SLIDERS[name].title, exact=True)

    def box(self, name: str) -> Any:
        """The box beside a slider, in which its value is shown and can be typed."""
        return self.page.get_by_label(f"{SLIDERS[name].title}, typed", exact=True)

    def value(self, name: str) -> float:
        """Where a slider stands."""
        return SLIDERS[name].steps[int(self.slider(name).input_value())]

    def stands(self, name: str, low: float, high: float) -> None:
        """Waits until a slider stands between two values."""
        patience = time.monotonic() + 20
        while not low <= self.value(name) <= high:
            assert time.monotonic() < patience, f"{name} stands at {self.value(name)}, not in [{low}, {high}]"
            self.page.wait_for_timeout(50)

    def keep(self, name: str) -> None:
        """A screenshot, where they are wanted."""
        if folder := os.environ.get("SCREENSHOTS"):
            self.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.fixture
def visit(browser: Any, server: tuple[str, Path], request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A page at desktop width, or at the test's own."""
    visit = Visit(browser, server[0], getattr(request, "param", DESKTOP))
    yield visit
    visit.page.close()


def test_a_moved_slider_changes_the_behaviour(visit: Visit) -> None:
    visit.expect("grokking")
    visit.slider("dataset_size").press("Home")
    visit.expect("memorisation")
    assert visit.value("dataset_size") == 10.0
    visit.slider("dataset_size").press("End")
    visit.expect("comprehension")
    visit.slider("t_end").press("Home")
    visit.expect("unfinished")


def test_a_dragged_slider_is_followed(visit: Visit) -> None:
    thumb = visit.slider("dataset_size").bounding_box()
    x, y = thumb["x"] + thumb["width"] / 2, thumb["y"] + thumb["height"] / 2
    visit.page.mouse.move(x, y)
    visit.page.mouse.down()
    for k in range(1, 9):
        visit.page.mouse.move(x - 10 * k, y)
    visit.expect("memorisation")  # while it is still held
    visit.page.mouse.up()
    assert visit.value("dataset_size") < 1000


def test_however_fast_a_slider_moves_its_last_position_is_answered(visit: Visit) -> None:
    move = """(e, way) => way.forEach((k) => {
      e.value = +e.value + k;
      e.dispatchEvent(new Event("input", { bubbles: true }));
    })"""
    for way in (30 * [-1], 10 * [1, -1], 2 * [1]):
        visit.slider("dataset_size").evaluate(move, way)
    position = SLIDERS["dataset_size"].steps.index(4000.0) - 28
    assert visit.value("dataset_size") == SLIDERS["dataset_size"].steps[position]
    found = answer({**DEFAULTS, "dataset_size": visit.value("dataset_size")}).run
    numbers = visit.page.locator(".numbers")
    api.expect(numbers).to_contain_text(when(found.t_gen), timeout=20_000)


def test_a_moved_slider_runs_no_cell(visit: Visit) -> None:
    """To run one takes longer than the answer."""
    assert any("cell-op" in message for message in visit.received)
    visit.page.wait_for_timeout(1000)
    visit.received.clear()
    visit.slider("dataset_size").press("Home")
    visit.expect("memorisation")
    visit.page.wait_for_timeout(1000)
    assert len(visit.received) >= 3
    assert not any("cell-op" in message for message in visit.received)


def test_a_slider_shows_and_tells_where_it_stands(visit: Visit) -> None:
    slider = visit.slider("weight_decay")
    for key, value in (("Home", "1e-9"), ("End", "1")):
        slider.press(key)
        api.expect(visit.box("weight_decay")).to_have_value(value)
        api.expect(slider).to_have_attribute("aria-valuetext", value)


def test_a_value_can_be_typed(visit: Visit) -> None:
    visit.box("weight_decay").fill("0.00512")
    visit.box("weight_decay").press("Enter")
    run = answer({**DEFAULTS, "weight_decay": 0.00512}).run
    api.expect(visit.page.locator(".numbers")).to_contain_text(when(run.t_gen), timeout=20_000)
    visit.stands("weight_decay", 0.005, 0.0053)
    # What is no number, or out of range, is put right.
    for name, typed, shown, told in (
        ("weight_decay", "x", "0.00512", 'weight_decay must be a number; received "x".'),
        ("kappa", "0,8", "0.8", ""),
        ("dataset_size", "1,000", "1000", ""),
        ("dataset_size", "2 000", "2000", ""),
        ("dataset_size", "4k", "2000", 'dataset_size must be a number; received "4k".'),
        ("num_classes", "1e9", "10000", "num_classes goes from 2 to 10000, whole: 1000000000 became 10000."),
    ):
        visit.box(name).fill(typed)
        visit.box(name).press("Enter")
        api.expect(visit.box(name)).to_have_value(shown)
        api.expect(visit.page.locator(".told")).to_have_text(told)


def test_reset_goes_back_to_the_papers_values(visit: Visit) -> None:
    visit.slider("dataset_size").press("Home")
    visit.box("weight_decay").fill("0.01")
    visit.box("weight_decay").press("Enter")
    visit.expect("memorisation")
    visit.page.get_by_role("button", name="Reset").click()
    visit.expect("grokking")
    api.expect(visit.box("dataset_size")).to_have_value("4000")
    api.expect(visit.box("weight_decay")).to_have_value("0.005")


def test_the_address_holds_the_settings(browser: Any, server: tuple[str, Path]) -> None:
    visit = Visit(browser, server[0], DESKTOP)
    visit.slider("dataset_size").press("Home")
    visit.box("weight_decay").fill("0.00777")
    visit.box("weight_decay").press("Enter")
    visit.page.wait_for_url(re.compile("#.*weight_decay=0.00777"))
    address = visit.page.url
    assert "kappa" not in address
    visit.page.close()
    again = Visit(browser, address, DESKTOP)
    again.expect("memorisation")
    api.expect(again.box("weight_decay")).to_have_value("0.00777")
    api.expect(again.box("dataset_size")).to_have_value("10")
    again.page.evaluate("location.hash = 'dataset_size=1e6&nonsense=3&kappa=x'")
    again.expect("comprehension")
    api.expect(again.box("weight_decay")).to_have_value("0.005")
    again.page.get_by_role("button", name="Reset").click()
    again.expect("grokking")
    again.page.wait_for_url(re.compile("^[^#]*$"))
    again.page.close()


def test_the_model_is_copied_as_python(visit: Visit) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.slider("dataset_size").press("Home")
    visit.expect("memorisation")
    visit.page.get_by_role("button", name="Copy as Python").click()
    api.expect(visit.page.get_by_role("button", name="Copied")).to_be_visible()
    code = visit.page.evaluate("navigator.clipboard.readText()")
    assert code == python({**DEFAULTS, "dataset_size": 10.0})
    made: dict[str, Any] = {}
    exec(code.replace("run.plot()", ""), made)
    assert made["run"].behaviour == "memorisation"
    visit.page.get_by_role("button", name="Copy link").click()
    assert visit.page.evaluate("navigator.clipboard.readText()").endswith("/#dataset_size=10")


def test_the_pictures_are_downloaded(visit: Visit, tmp_path: Path) -> None:
    for place, button in enumerate(visit.page.get_by_role("button", name="PNG").all()):
        with visit.page.expect_download() as download:
            button.click()
        path = tmp_path / f"{place}.png"
        download.value.save_as(path)
        assert download.value.suggested_filename == "two-circuits.png"
        pixels = matplotlib.image.imread(path)
        assert pixels.shape[1] == 3 * WIDTH
        assert pixels.shape[0] > 3 * HEIGHT
        assert 0.01 < np.mean(pixels[..., :3].min(-1) < 0.9) < 0.95  # drawn, on white
        if folder := os.environ.get("SCREENSHOTS"):
            shutil.copy(path, Path(folder) / f"picture-{place}.png")
    assert place == 1


def test_a_page_that_was_left_comes_back_with_its_sliders(visit: Visit) -> None:
    visit.slider("dataset_size").press("Home")
    visit.page.get_by_text("Beside a real run").click()
    api.expect(visit.page.locator(".behaviour")).to_have_count(2, timeout=20_000)
    assert visit.value("dataset_size") == 10.0
    visit.page.get_by_text("The toy model").click()
    visit.expect("memorisation")
    api.expect(visit.page.locator(".map")).to_be_visible()
    assert visit.value("dataset_size") == 10.0


def test_a_click_on_the_phase_diagram_moves_the_sliders(visit: Visit) -> None:
    visit.slider("weight_decay").press("ArrowRight")
    moved = visit.value("weight_decay")
    visit.page.wait_for_timeout(1000)  # by then the diagram has been drawn anew
    area = visit.page.locator("[data-area]")
    box = area.bounding_box()
    area.click(position={"x": 0.1 * box["width"], "y": 0.5 * box["height"]})
    visit.expect("memorisation")
    visit.stands("dataset_size", 100 * 1000**0.08, 100 * 1000**0.12)
    low, high = span("kappa", DEFAULTS)
    visit.stands("kappa", 0.53 * low + 0.47 * high, 0.47 * low + 0.53 * high)
    assert visit.value("weight_decay") == moved, "the other sliders stay where they were moved to"


def test_a_place_to_begin_at_sets_all_sliders(visit: Visit) -> None:
    visit.page.get_by_label("Begin with").select_option("Ungrokking")
    visit.expect("ungrokking")
    visit.stands("gen_initial_logit", 7, 9)


def test_what_the_model_refuses_is_said_and_left_again(visit: Visit) -> None:
    visit.slider("kappa").press("End")
    api.expect(visit.page.locator(".refused").first).to_contain_text("Above κ = 2", timeout=20_000)
    visit.slider("kappa").press("Home")
    api.expect(visit.page.locator(".behaviour").first).to_be_visible(timeout=20_000)
    api.expect(visit.page.locator(".refused")).to_have_count(0)


def test_a_real_run_is_laid_over_the_toys(visit: Visit) -> None:
    visit.page.get_by_text("Beside a real run").click()
    pills = visit.page.locator(".behaviour")
    api.expect(pills).to_have_text(["grokking", "grokking"], timeout=20_000)
    visit.page.get_by_role("button", name="as this run was measured").click()
    visit.stands("dataset_size", 3740, 3920)
    api.expect(visit.page.locator(".notes")).to_contain_text("t_fit and t_gen are the run's")
    api.expect(pills).to_have_text(["grokking", "grokking"])
    rows = visit.page.locator(".numbers tr", has_text="generalises at step").all_inner_texts()
    times = [float(row.split("\t")[1].replace(",", "")) for row in rows]
    assert times[1] == pytest.approx(times[0], rel=0.01)
    visit.keep("matched")
    visit.page.get_by_label("File", exact=True).select_option("standard/base/ungrokking.nc")
    api.expect(pills.first).to_have_text(re.compile("ungrokking|unfinished"), timeout=20_000)
    visit.keep("beside")


def test_curves_from_a_csv_file_are_laid_over_the_toys(visit: Visit, tmp_path: Path) -> None:
    rows = ["epoch,accuracy,val_accuracy", *(f"{e},{min(e / 5, 1)},{0.5 + 0.5 * (e > 60)}" for e in range(101))]
    (tmp_path / "keras.csv").write_text("\n".join(rows))
    visit.page.get_by_text("Beside a real run").click()
    visit.page.get_by_label("Results:").fill(str(tmp_path / "keras.csv"))
    visit.page.get_by_label("Results:").press("Enter")
    numbers = visit.page.locator(".numbers")
    api.expect(numbers).to_contain_text("chance\t0.5", use_inner_text=True, timeout=20_000)
    visit.page.get_by_label("Number of classes").fill("10")
    visit.page.get_by_label("Number of classes").press("Enter")
    api.expect(numbers).to_contain_text("chance\t0.1", use_inner_text=True, timeout=20_000)
    visit.page.get_by_role("button", name="as this run was measured").click()
    api.expect(visit.page.locator(".behaviour")).to_have_text(["grokking", "grokking"])
    visit.keep("csv")
    visit.page.get_by_label("Results:").fill("")
    visit.page.get_by_label("Results:").press("Enter")
    api.expect(visit.page.locator(".refused").first).to_contain_text("netCDF or CSV file, or a folder", timeout=20_000)


@pytest.mark.parametrize("visit", [DESKTOP, PHONE], indirect=True, ids=["desktop", "phone"])
@pytest.mark.parametrize("page", ["The toy model", "Beside a real run"])
def test_nothing_overlaps_or_is_cut_off(visit: Visit, page: str, request: pytest.FixtureRequest) -> None:
    visit.page.get_by_text(page).click()
    curves = 3 if page == "The toy model" else 4
    api.expect(visit.page.locator(".charts svg[role=img]")).to_have_count(curves, timeout=20_000)
    api.expect(visit.page.locator(".map")).to_have_count(4 - curves)
    charts, faults = visit.page.evaluate(FAULTS)
    assert charts == 4
    assert faults == []
    visit.keep(request.node.callspec.id)


def test_on_a_phone_the_curves_stay_in_sight_above_the_sliders(browser: Any, server: tuple[str, Path]) -> None:
    visit = Visit(browser, server[0], PHONE)
    visit.slider("num_classes").scroll_into_view_if_needed()
    pill, thumb = visit.page.locator(".behaviour").bounding_box(), visit.slider("num_classes").bounding_box()
    assert 0 <= pill["y"] < thumb["y"] < PHONE["height"]
    visit.keep("phone-scrolled")
    visit.page.touchscreen.tap(thumb["x"] + 2, thumb["y"] + thumb["height"] / 2)
    visit.stands("num_classes", 2, 3)
    visit.page.close()


def test_no_request_leaves_the_machine(browser: Any, server: tuple[str, Path]) -> None:
    address, log = server
    visit = Visit(browser, address, DESKTOP)
    visit.slider("dataset_size").press("Home")
    visit.expect("memorisation")
    visit.page.get_by_text("Beside a real run").click()
    api.expect(visit.page.locator(".behaviour")).to_have_count(2, timeout=20_000)
    visit.page.wait_for_timeout(2000)
    hosts = {urlparse(url).hostname for url in visit.requests if not url.startswith(("data:", "blob:"))}
    assert len(visit.requests) > 20
    assert hosts == {"127.0.0.1"}
    assert "LEAVES THE MACHINE" not in log.read_text()
    visit.page.close()
