"""What a page shows without a cell of marimo being run: a picture that can be clicked, and the sliders."""

import anywidget
import traitlets

STYLE = """
.charts { display: flex; flex-direction: column; gap: 4px; }
svg { width: 100%; height: auto; display: block; }
.headline { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: baseline; margin: 0 0 6px 4px; }
.behaviour { font-size: 1.3em; padding: 2px 12px; border-radius: 6px; color: #111; }
.refused { background: #fff4d6; border-left: 4px solid #d9a400; padding: 8px 12px; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: 13px; margin: 8px 0; }
caption { text-align: left; font-weight: 600; padding: 2px 0; caption-side: top; }
td { padding: 2px 0; border-top: 1px solid #e8e8e8; vertical-align: top; }
td + td { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; padding-left: 8px; }
.keys { font-size: 12.5px; display: flex; flex-wrap: wrap; gap: 3px 14px; margin: 4px 0 0 8px; }
.key i { display: inline-block; width: 12px; height: 12px; margin-right: 5px; vertical-align: -1px; border-radius: 2px; }
fieldset { border: 0; border-top: 1px solid #ddd; margin: 8px 0 0; padding: 4px 0 0; min-width: 0; }
legend { font-weight: 600; font-size: 14px; padding-right: 8px; }
.slider { display: grid; grid-template-columns: 1fr auto; gap: 2px 8px; font-size: 13px; margin-top: 7px; }
.slider input { grid-column: 1 / 3; min-width: 0; margin: 0; accent-color: #333; }
output { font-variant-numeric: tabular-nums; }
@media (max-width: 760px) {
  .charts { flex-direction: row; overflow-x: auto; scroll-snap-type: x mandatory; }
  .charts > svg { flex: 0 0 92%; scroll-snap-align: start; }
}
"""
PICTURE = """
function render({ model, el }) {
  const draw = () => {
    const before = el.querySelector(".charts")?.scrollLeft;
    el.innerHTML = model.get("html");
    if (before) el.querySelector(".charts")?.scrollTo({ left: before, behavior: "instant" });
  };
  const click = (event) => {
    const area = event.target.closest("[data-area]");
    if (!area) return;
    const box = area.getBoundingClientRect();
    const place = [(event.clientX - box.left) / box.width, (box.bottom - event.clientY) / box.height];
    // A third number that never repeats makes every click a change.
    model.set("clicked", [...place, performance.now()]);
    model.save_changes();
  };
  draw();
  model.on("change:html", draw);
  el.addEventListener("click", click);
  return () => { model.off("change:html", draw); el.removeEventListener("click", click); };
}
export default { render };
"""
# One question is on its way at a time; the next is about where the sliders stand by then.
SLIDERS = """
function render({ model, el }) {
  const positions = {};
  let waits = false, moved = false;
  const slider = ([name, text, steps]) => {
    positions[name] = steps;
    return `<div class=slider><label for=${name}>${text}</label><output></output>
      <input type=range id=${name} max=${steps.length - 1}></div>`;
  };
  el.innerHTML = model.get("groups").map(([title, members]) =>
    `<fieldset><legend>${title}</legend>${members.map(slider).join("")}</fieldset>`).join("");
  const inputs = [...el.querySelectorAll("input")], value = (input) => positions[input.id][input.value];
  const tell = () => inputs.forEach((input) => {
    input.previousElementSibling.value = input.ariaValueText = value(input);
  });
  const ask = () => {
    [waits, moved] = [true, false];
    model.set("values", Object.fromEntries(inputs.map((input) => [input.id, value(input)])));
    model.set("asked", performance.now());
    model.save_changes();
  };
  const answered = () => { waits = false; if (moved) ask(); };
  const place = () => {
    for (const input of inputs) input.value = positions[input.id].indexOf(model.get("values")[input.id]);
    tell();
  };
  place();
  el.oninput = () => { moved = true; tell(); if (!waits) ask(); };
  model.on("change:values", place);
  model.on("change:answered", answered);
  return () => { model.off("change:values", place); model.off("change:answered", answered); };
}
export default { render };
"""


class Picture(anywidget.AnyWidget):
    """Shows `html`.  `clicked`: fractions (x, y) from the lower left of the area that is marked data-area, and a stamp."""

    _esm = PICTURE
    _css = STYLE
    html = traitlets.Unicode("").tag(sync=True)
    clicked = traitlets.List(traitlets.Float(), []).tag(sync=True)


class Sliders(anywidget.AnyWidget):
    """Sliders.

    groups             [title, [[name, text, positions], ...]] for each group of sliders
    values             where they stand, by name
    asked, answered    stamp of the last question from the page, and of the last that Python has answered
    """

    _esm = SLIDERS
    _css = STYLE
    groups = traitlets.List(traitlets.Any(), []).tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    asked = traitlets.Float(0.0).tag(sync=True)
    answered = traitlets.Float(0.0).tag(sync=True)
