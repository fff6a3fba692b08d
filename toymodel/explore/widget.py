"""What a page shows without a cell of marimo being run: a picture that can be clicked, and the sliders."""

from pathlib import Path

import anywidget
import traitlets

HERE = Path(__file__).parent


class Picture(anywidget.AnyWidget):
    """Shows `html`.  `clicked`: fractions (x, y) from the lower left of the area that is marked data-area, and a stamp."""

    _esm = HERE / "picture.js"
    _css = HERE / "widget.css"
    html = traitlets.Unicode("").tag(sync=True)
    clicked = traitlets.List(traitlets.Float(), []).tag(sync=True)


class Sliders(anywidget.AnyWidget):
    """Sliders.

    groups             [title, [[name, text, positions, whether whole], ...]] for each group of sliders
    values, defaults   where they stand, and stand at first, by name
    code               the model under them, as Python
    asked, answered    stamp of the last question from the page, and of the last that Python has answered
    """

    _esm = HERE / "sliders.js"
    _css = HERE / "widget.css"
    groups = traitlets.List(traitlets.Any(), []).tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    defaults = traitlets.Dict().tag(sync=True)
    code = traitlets.Unicode("").tag(sync=True)
    asked = traitlets.Float(0.0).tag(sync=True)
    answered = traitlets.Float(0.0).tag(sync=True)
