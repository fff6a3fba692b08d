"""Verdicts and predictions in a terminal: aligned text of at most 110 columns, coloured only on a terminal."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from validate.prediction import CONFIRMED, INCONCLUSIVE, REFUTED, Prediction
from validate.verdicts import interval_words, region_words, runs_words, score

__all__ = ["WIDTH", "listing", "table"]

WIDTH = 110
INDENT = 6
GAP = 2
# Blue, bold red, yellow: told apart by colour-blind readers, and each has its word and its sign.
CODES = {CONFIRMED: "34;1", REFUTED: "31;1", INCONCLUSIVE: "33"}
SIGNS = {CONFIRMED: "✓", REFUTED: "✗", INCONCLUSIVE: "?"}


def _coloured(text: str, verdict: str, colour: bool) -> str:
    return f"\x1b[{CODES[verdict]}m{text}\x1b[0m" if colour else text


def _wants_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _wrapped(text: str, width: int) -> list[str]:
    # A word longer than its column is broken: alignment is promised.
    return textwrap.wrap(text, width, break_long_words=True) or [""]


def _columns(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """One row of cells as lines, each cell wrapped to its width."""
    parts = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for k in range(max(map(len, parts))):
        line = [(p[k] if k < len(p) else "").ljust(w) for p, w in zip(parts, widths, strict=True)]
        lines.append((" " * INDENT + (" " * GAP).join(line)).rstrip())
    return lines


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Widths that hold every cell if they fit together; else the widest columns give way."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    room = width - INDENT - GAP * (len(widths) - 1)
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    return widths


def table(data: Mapping[str, Any], *, colour: bool | None = None, width: int = WIDTH) -> str:
    """The verdict table of `verdicts.data`: a line a prediction, below it one for each number.

    colour   True or False; None is whether standard output is a terminal that wants colour
    """
    colour = _wants_colour() if colour is None else colour
    heads = ("number", "measured (95 % interval, n seeds)", "region", "runs (censored)", "")
    rows = {
        p["id"]: [
            (f["criterion"], interval_words(f), region_words(f), runs_words(f), f["verdict"]) for f in p["findings"]
        ]
        for p in data["predictions"]
    }
    # A column is as wide as its cells; its head is wrapped into it.
    words = [tuple(max(head.split(), key=len, default="") for head in heads)]
    widths = _widths([*words, *(row for group in rows.values() for row in group)], width)
    lines = [*_columns(heads, widths), ""]
    for p in data["predictions"]:
        verdict = p["verdict"]
        label = f"{SIGNS[verdict]} {verdict.upper()}"
        claim = _wrapped(p["claim"], width - INDENT - 16)
        lines.append(f"{p['id']:<{INDENT}}{_coloured(f'{label:<16}', verdict, colour)}{claim[0]}".rstrip())
        lines += [" " * (INDENT + 16) + more for more in claim[1:]]
        for row in rows[p["id"]]:
            lines += _columns(row, widths)
        if p["missing"]:
            lines += [" " * INDENT + line for line in _wrapped(f"not measured: {p['missing']}", width - INDENT)]
    counts = ", ".join(f"{n} {verdict}" for verdict, n in score(data).items())
    about = f"{counts}; profile {data['profile']}, {data['runs']} runs, {data['finished']} of them finished"
    return "\n".join([*lines, "", *_wrapped(about, width)]) + "\n"


def listing(predictions: Iterable[Prediction], *, width: int = WIDTH) -> str:
    """What is on trial, before any run: claim, source, observable, statistic, rules."""
    blocks = []
    for p in predictions:
        lines = [
            f"{p.id:<{INDENT}}{line}" if not k else " " * INDENT + line
            for k, line in enumerate(_wrapped(p.claim, width - INDENT))
        ]
        rules = [
            f"{c.name}{'' if c.unit in ('1', '') else f' ({c.unit})'} {c.rule}, ≥ {c.least_seeds} seeds"
            + (f": {c.why}" if c.why else "")
            for c in p.criteria
        ]
        parts = [("source", p.source), ("observable", p.observable), ("statistic", p.statistic)]
        parts += [("confirmed if" if not k else "and", rule) for k, rule in enumerate(rules)]
        parts.append(("needs", ", ".join(p.experiments)))
        for name, text in parts:
            lead = " " * INDENT + f"{name:<14}"
            lines += textwrap.wrap(text, width, initial_indent=lead, subsequent_indent=" " * len(lead))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"
