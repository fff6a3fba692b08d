"""How soon the explorer answers in a browser: `python -m tests.benchmarks.browse_explore` writes results/explore.json.

Milliseconds from a slider's event in the page to the change of its curves; beside them what this machine, its browser and
marimo take at least: a page whose only cell shows a slider's value, and a widget whose Python sends back what it is sent.
It needs a browser, so `make bench` leaves it out.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.test_explore_browser import CHROMIUM, FLAGS
from toymodel.explore.settings import SLIDERS

from .measure import save

MOVES, REST_MS, DRAG_MS = 50, 400, 16
SHOWN = ".headline, .charts"
BARE = '''
import marimo

app = marimo.App()

@app.cell
def _():
    import anywidget, marimo as mo, traitlets

    class Echo(anywidget.AnyWidget):
        _esm = """export default { render({ model, el }) {
          el.innerHTML = "<input type=range class=bare><b class=echo></b>";
          el.firstChild.oninput = () => { model.set("asked", el.firstChild.valueAsNumber); model.save_changes(); };
          model.on("change:told", () => { el.lastChild.textContent = model.get("told"); });
        } }"""
        asked, told = traitlets.Int(0).tag(sync=True), traitlets.Int(0).tag(sync=True)

    def tell(change):
        change["owner"].told = change["new"]

    Echo.tell = tell
    echo = Echo()
    echo.observe(tell, "asked")
    text = f"{mo.ui.anywidget(echo)}"
    slider = mo.ui.slider(0, 100)
    return mo, slider, text

@app.cell
def _(mo, slider, text):
    mo.Html(f"{text}{slider}")

@app.cell
def _(mo, slider):
    mo.Html(f"<b class='value'>{slider.value}</b>")
'''
# Steps of a slider: milliseconds from each until what is shown changed.  A drag waits for nothing: milliseconds from its
# last step to the last change, then from each change to the next.
MOVE = """async (thumb, [root, shown, moves, pause, drag]) => {
  const step = (up) => {
    if (thumb.tagName === "INPUT") {
      thumb.value = thumb.valueAsNumber + (up ? 1 : -1);
      thumb.dispatchEvent(new Event("input", { bubbles: true }));
    } else {
      thumb.focus();
      thumb.dispatchEvent(new KeyboardEvent("keydown", { key: up ? "ArrowRight" : "ArrowLeft", bubbles: true }));
    }
  };
  const read = () => [...root.querySelectorAll(shown)].map((e) => e.outerHTML).join("");
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  let before = read(), tell = () => {};
  const watch = new MutationObserver(() => {
    const now = read();
    if (now === before) return;
    before = now;
    times.push(performance.now());
    tell();
  });
  watch.observe(root, { subtree: true, childList: true, characterData: true });
  const found = [], times = [];
  let start = 0;
  for (let k = 0; k < moves; k++) {
    const answered = new Promise((done) => { tell = done; });
    start = performance.now();
    step(k % 20 < 10);
    if (!drag) { await answered; found.push(times.at(-1) - start); }
    await sleep(pause);
  }
  if (drag) { await sleep(2000); found.push(times.at(-1) - start, ...times.slice(1).map((t, k) => t - times[k])); }
  watch.disconnect();
  return found;
}"""


@contextmanager
def served(*command: str) -> Iterator[str]:
    """The address that the command prints."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([sys.executable, "-m", *command], stdout=out, stderr=out)
        try:
            found, patience = None, time.monotonic() + 300
            while not found:
                if process.poll() is not None or time.monotonic() > patience:
                    raise RuntimeError(f"{command[0]} serves nothing. Run: {' '.join(command)}")
                time.sleep(0.1)
                out.seek(0)
                found = re.search(r"http://(127\.0\.0\.1|localhost):\d+", out.read())
            yield found.group()
        finally:
            process.terminate()
            process.wait(30)


def told(values: list[float]) -> dict[str, float]:
    """Least, median, 90th percentile, n; and how busy the machine was."""
    tenths = statistics.quantiles(values, n=10)
    return {
        "min": min(values), "median": statistics.median(values), "p90": tenths[-1], "n": len(values),
        "load": os.getloadavg()[0],
    }  # fmt: skip


def moved(thumb: Any, shown: str, drag: bool = False) -> list[float]:
    """Milliseconds for MOVES steps of a slider until `shown` changes, as MOVE says."""
    within = thumb.page.locator(shown).first.evaluate_handle("e => e.getRootNode()")
    return list(thumb.evaluate(MOVE, [within, shown, MOVES, DRAG_MS if drag else REST_MS, drag]))


def main() -> None:
    """Measure and save."""
    found: dict[str, Any] = {}
    with sync_playwright() as play, tempfile.TemporaryDirectory() as place:
        page = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS).new_page()
        bare = Path(place) / "bare.py"
        bare.write_text(BARE)
        with served("marimo", "run", str(bare), "--headless", "--no-token", "--host", "127.0.0.1") as address:
            page.goto(address)
            page.wait_for_selector(".value", timeout=60_000)
            page.wait_for_timeout(2000)
            for name, thumb, shown in (("cell", "[role=slider]", ".value"), ("widget", ".bare", ".echo")):
                found[f"a bare {name}"] = told(moved(page.locator(thumb), shown))
        with served("toymodel", "explore", "--no-browser") as address:
            page.goto(address)
            page.wait_for_selector(".map svg", timeout=60_000)
            page.wait_for_timeout(2000)
            # The diagram stays as it is for the one, and is swept anew for the other.
            for name in ("dataset_size", "weight_decay"):
                thumb = page.get_by_role("slider", name=SLIDERS[name].title, exact=True)
                page.wait_for_timeout(1000)
                found[name] = told(moved(thumb, SHOWN))
                lag, *gaps = moved(thumb, SHOWN, drag=True)
                found[f"{name} dragged, from picture to picture"] = told(gaps) | {"lag of the last": lag}
    packages = ("marimo", "anywidget", "playwright", "numpy", "numba")
    print(save("explore", found, packages, "python -m tests.benchmarks.browse_explore"))


if __name__ == "__main__":
    main()
