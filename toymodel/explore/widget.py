"""A picture on a page: HTML from Python, redrawn at once when it changes, and the place that was clicked."""

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
@media (max-width: 760px) {
  .charts { flex-direction: row; overflow-x: auto; scroll-snap-type: x mandatory; }
  .charts > svg { flex: 0 0 92%; scroll-snap-align: start; }
}
"""
SCRIPT = """
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


class Picture(anywidget.AnyWidget):
    """Shows `html`.  `clicked`: fractions (x, y) from the lower left of the area that is marked data-area, and a stamp."""

    _esm = SCRIPT
    _css = STYLE
    html = traitlets.Unicode("").tag(sync=True)
    clicked = traitlets.List(traitlets.Float(), []).tag(sync=True)
