"""How results show themselves, in a terminal and in a notebook."""

import sys
from html import escape
from typing import Any

import numpy as np

Rows = list[tuple[str, str]]


def number(value: float | None) -> str:
    """Six digits; "never" for None or nan."""
    return "never" if value is None or np.isnan(value) else f"{value:.6g}"


class Shown:
    """A title and aligned rows, or the same as a small table: for whatever says its `_rows`."""

    def _rows(self) -> Rows:
        raise NotImplementedError

    def __str__(self) -> str:
        rows = self._rows()
        width = max(len(name) for name, _ in rows)
        text = "\n".join([type(self).__name__, *(f"  {name:<{width}}  {value}" for name, value in rows)])
        # A terminal, or a file that it is redirected to, without Greek letters shows question marks instead.
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        return text.encode(encoding, "replace").decode(encoding)

    __repr__ = __str__

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        # IPython's terminal shows the text also where `repr` is an expression that makes the object again.
        printer.text(str(self))

    def _repr_html_(self) -> str:
        left = "style='text-align:left'"
        cells = "".join(f"<tr><td {left}>{escape(a)}</td><td {left}>{escape(b)}</td></tr>" for a, b in self._rows())
        return f"<table><caption {left}><b>{type(self).__name__}</b></caption>{cells}</table>"
