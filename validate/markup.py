"""The pieces of the report as HTML: badges, tables, figures. Text is escaped here and nowhere else."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from validate.forest import svg
from validate.prediction import CONFIRMED, INCONCLUSIVE, REFUTED
from validate.verdicts import interval_words, number_words, region_words, runs_words

__all__ = ["badge", "definitions", "figure", "findings_table", "measured", "note", "rows_table", "text", "word"]

SIGNS = {CONFIRMED: "✓", REFUTED: "✗", INCONCLUSIVE: "?"}
OPEN_ROWS = 12
"""A table of more rows is folded away until asked for"""


def text(value: Any) -> str:
    """Escaped, on one line."""
    return escape(re.sub(r"[ \n\t]+", " ", str(value)).strip())


def badge(verdict: str) -> str:
    """The verdict as a coloured word with its sign."""
    return f'<span class="badge {verdict}">{SIGNS[verdict]} {verdict}</span>'


def word(verdict: str) -> str:
    """The verdict of one number, in its colour and with its sign."""
    return f'<span class="word {verdict}">{SIGNS[verdict]} {verdict}</span>'


def measured(finding: Mapping[str, Any]) -> str:
    """The interval in bold."""
    return f"<b>{text(interval_words(finding))}</b>"


def note(finding: Mapping[str, Any]) -> str:
    """Runs, censored ones, and the note as a sentence."""
    said = text(finding["note"])
    runs = f"{finding['runs']} runs, {finding['censored']} of them censored"
    return f"{runs}. {said[:1].upper()}{said[1:]}" if said else runs


def definitions(rows: Sequence[tuple[str, str]]) -> str:
    """A list of terms; empty ones are left out. The second of each pair is HTML already."""
    items = "".join(f"<dt>{text(name)}</dt><dd>{value}</dd>" for name, value in rows if value)
    return f"<dl>{items}</dl>"


def _cell(label: str, content: str) -> str:
    # On a phone a row becomes a card, and each cell names itself.
    return f'<td><span class="label">{label}: </span>{content}</td>' if content else "<td></td>"


def findings_table(predictions: Sequence[Mapping[str, Any]]) -> str:
    """The verdict table: a group of rows a prediction, each number drawn against its region."""
    heads = ("prediction", "verdict", "measured (95 % interval, n seeds)", "interval on region", "runs (censored)")
    groups = []
    for p in predictions:
        name = f'<a href="#{text(p["id"])}"><b>{text(p["id"])}</b></a> {text(p["claim"])}'
        first, rows = [f"<td>{name}</td>", f"<td>{badge(p['verdict'])}</td>"], []
        several = len(p["findings"]) > 1
        for f in p["findings"]:
            state = f"<br>{word(f['verdict'])}" if several else ""
            unit = "" if f["unit"] in ("1", "") else f" {text(f['unit'])}"
            region = f'{svg(f)}<div class="small">{text(region_words(f))}{unit}</div>'
            value = f"{text(f['criterion'])}<br>{measured(f)}{state}"
            cells = [_cell("measured", value), _cell("region", region), _cell("runs (censored)", runs_words(f))]
            rows.append("<tr>" + "".join([*first, *cells]) + "</tr>")
            first = ["<td></td>", "<td></td>"]
        if not rows:
            rules = "; ".join(f"{c['criterion']} {region_words(c)}" for c in p["criteria"])
            cells = [_cell("measured", "not measured"), _cell("region", text(rules)), _cell("runs (censored)", "0 (0)")]
            rows.append("<tr>" + "".join([*first, *cells]) + "</tr>")
        groups.append(f'<tbody class="group">{"".join(rows)}</tbody>')
    head = "".join(f"<th>{h}</th>" for h in heads)
    return f'<table class="cards"><thead><tr>{head}</tr></thead>{"".join(groups)}</table>'


def _value(value: Any) -> tuple[str, str]:
    """Class and content of one cell of a table of rows."""
    if isinstance(value, bool):
        return "", "yes" if value else "no"
    if isinstance(value, int):
        return ' class="number"', str(value).replace("-", "−")
    if isinstance(value, float) or value in ("inf", "-inf"):
        return ' class="number"', number_words(value)
    if value is None:
        return ' class="number"', "–"
    if isinstance(value, list):
        return "", ", ".join(_value(part)[1] for part in value)
    return "", text(value)


def rows_table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """A table of rows {column: value}, the columns in the order of their first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    kinds = {c: _value(next(row[c] for row in rows if c in row))[0] for c in columns}
    head = "".join(f"<th{kinds[c]}>{text(c.replace('_', ' '))}</th>" for c in columns)
    body = []
    for row in rows:
        cells = (_value(row[c]) if c in row else ("", "") for c in columns)
        body.append("<tr>" + "".join(f"<td{kind}>{content}</td>" for kind, content in cells) + "</tr>")
    caption = f"{text(title)} ({len(rows)} {'row' if len(rows) == 1 else 'rows'})"
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    if len(rows) > OPEN_ROWS:
        return f"<details><summary>{caption}</summary>{table}</details>"
    return f"<h3>{caption}</h3>{table}"


def figure(name: str, picture: bytes, caption: str, alt: str) -> str:
    """An SVG in the page itself, as an image of its own so that the names inside two of them cannot meet."""
    content = base64.b64encode(picture).decode()
    image = f'<img src="data:image/svg+xml;base64,{content}" alt="{escape(alt, quote=True)}">'
    return f'<figure id="figure-{text(name)}">{image}<figcaption>{text(caption)}</figcaption></figure>'
