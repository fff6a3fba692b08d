"""The report page: one HTML file that needs nothing else, from a folder's verdicts.json and the figures of its runs.

In this order: contents, the score in tiles, what the theory gets wrong, a table of all predictions, a section for each with
its figure, further tables, provenance.  It computes nothing.
"""

import base64
import json
import math
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from validate.prediction import ABSENT, REFUTED, Finding, Verdict
from validate.report import cell
from validate.verdicts import Judgement, load

from ..palette import PROTOCOLS, VERDICTS
from ..paths import HERE, Paths
from ..render import write_whole
from ..tasks import build

__all__ = ["html", "write"]

TITLE = "The two-circuit theory of grokking on trial"
RULE = """Where more than a third of the runs behind a number still move, or seeds are too few, it decides nothing.
Else a prediction is confirmed if the 95 % intervals over seeds of all its numbers lie inside their regions, refuted
if one lies wholly outside, and inconclusive otherwise. Each number is measured under two protocols: a coupled L2
penalty, under which networks rest, and AdamW, the paper's; what the rival theory, Omnigrok, claims, on each of its
tasks."""
# The figure of each prediction; one that several share is shown with the first.
FIGURES = {
    "P1a": "efficiency", "P1b": "efficiency", "P2": "ungrokking", "P3": "ungrokking", "P4": "semi_grokking", "P5": "times",
    "P6": "times", "P7": "thresholds_gap", "P8a": "ungrokking", "P8b": "thresholds_gap", "P9": "kappa_and_settings",
    "P11": "quantitative", "P13": "escape", "P14": "kappa_and_settings", "P16": "laws", "P18": "laws", "P19": "laws",
    "O1": "landscapes", "O2a": "free_runs", "O2b": "free_runs", "O3": "free_runs", "O5": "lu_forecast", "O6": "landscapes",
    "O7": "norm_or_scale", "O9a": "digits", "O9b": "digits", "O9c": "digits",
}  # fmt: skip
CHAPTERS = (("wrong", "What is wrong"), ("table", "Table"), ("further", "Further"), ("provenance", "Provenance"))
OTHERS = ("theories", "scorecard", "long_run", "other_tasks", "behaviours")


def _badge(verdict: str) -> str:
    return f'<span class="badge" style="background:{VERDICTS.get(verdict, "#777")}">{escape(verdict)}</span>'


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], kind: str = "") -> str:
    """A table of cells that are HTML already; on a phone a `wide` one is a list, each cell under its heading."""
    names = list(head)
    lines = [
        "<tr>"
        + "".join(f'<td data-label="{escape(n)}">{cell}</td>' for n, cell in zip(names, row, strict=True))
        + "</tr>"
        for row in rows
    ]
    top = "".join(f"<th>{escape(n)}</th>" for n in names)
    body = f"<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="scroll"><table class="{kind}">{body}</table></div>'


def _finding(found: Finding) -> str:
    """A number with its interval, its region and what follows, in a line."""
    name = found.criterion.unit
    unit = "" if name in ("", "1") or not found.estimate.exists else f" {escape(name)}"
    return f"{escape(str(found.estimate))}{unit}; predicted: {escape(found.criterion.rule)}"


def _column(verdict: Verdict, protocol: str) -> str:
    """All numbers of one protocol, each in the colour of what follows from it."""
    if protocol not in verdict.columns:
        return ""
    if findings := verdict.column(protocol).findings:
        return "<br>".join(
            f'<span style="color:{VERDICTS[f.verdict]}" title="{escape(f.criterion.name)}">{f.estimate}</span>'
            for f in findings
        )
    return "not claimed" if protocol in verdict.prediction.unclaimed else ABSENT


def _wrong(verdicts: Iterable[Verdict]) -> str:
    """Every number that lies wholly outside its region, under either protocol."""
    lines = [
        f'<li><a href="#{v.id}">{v.id}</a> ({protocol}'
        f"{', where it is not claimed' * (protocol in v.prediction.unclaimed)}): "
        f"{escape(v.claim)} Measured: {escape(f.criterion.name)} {_finding(f)}.</li>"
        for v in verdicts
        for protocol, column in v.columns.items()
        for f in column.findings
        if f.verdict == REFUTED
    ]
    return f"<ul>{''.join(lines)}</ul>" if lines else "<p>Nothing was refuted by these runs.</p>"


def _rows(rows: list[dict[str, Any]], most: int = 60) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    more = f'<p class="note">{len(rows) - most} more rows are in verdicts.json.</p>' if len(rows) > most else ""
    cells = ([escape(cell(row.get(name, math.nan))) for name in names] for row in rows[:most])
    return _table(names, cells) + more


def _picture(folder: Path, name: str) -> str:
    """The figure with its caption, the picture inside the page; nothing where it was left out."""
    png, caption = folder / f"{name}.png", folder / f"{name}.json"
    if not (png.exists() and caption.exists()):
        return ""
    about = json.loads(caption.read_text(encoding="utf-8"))
    data = base64.b64encode(png.read_bytes()).decode()
    title, words = escape(about["title"]), escape(about["caption"])
    return (
        f'<figure id="figure-{name}"><img alt="{title}" src="data:image/png;base64,{data}">'
        f"<figcaption><b>{title}</b> {words}</figcaption></figure>"
    )


def _section(v: Verdict, picture: str) -> str:
    """One prediction: claim, verdict, rule, numbers under both protocols, remarks, tables, figure."""
    p = v.prediction
    parts = [f'<section id="{v.id}"><h3>{v.id} {escape(v.claim)} {_badge(v.verdict)}</h3>']
    parts.append(f'<p class="note">{escape(p.source)}. Statistic: {escape(p.statistic)}.</p>')
    rows = [
        (f'<span style="color:{PROTOCOLS.get(protocol, "inherit")}">{protocol}'
         f'{" (decides)" * (protocol == v.decides)}</span>',
         escape(f.criterion.name), _finding(f), _badge(f.verdict),
         f"{f.estimate.basis.runs} ({f.estimate.basis.moving} moving)")
        for protocol, column in v.columns.items()
        for f in column.findings
    ]  # fmt: skip
    if rows:
        parts.append(_table(("on", "number", "measured", "verdict", "runs"), rows, "wide"))
    for protocol, column in v.columns.items():
        reason = p.unclaimed.get(protocol) or column.missing
        if reason and not column.findings:
            parts.append(f'<p class="note">{protocol}: {escape(reason)}</p>')
        parts += [f'<p class="note">{protocol}: {escape(remark)}</p>' for remark in column.remarks]
    parts.append(picture)
    beside = [
        (protocol, escape(name), escape(str(estimate)), escape(estimate.note))
        for protocol, column in v.columns.items()
        for name, estimate in column.beside.items()
    ]
    inside = _table(("protocol", "number beside", "measured", "note"), beside, "wide") if beside else ""
    if p.changed:
        inside += f"<p>How the rule changed: {escape(p.changed)}</p>"
    if inside:
        parts.append(
            f"<details><summary>Numbers that decide nothing, and the rule's history</summary>{inside}</details>"
        )
    return "".join(parts) + "</section>"


def html(judged: Judgement, pictures: Path) -> str:
    """The page; `pictures` is a folder of figures and captions."""
    verdicts = judged.verdicts
    links = " ".join(f'<a href="#{v.id}">{v.id}</a>' for v in verdicts)
    contents = " ".join(f'<a href="#{id}">{title}</a>' for id, title in CHAPTERS)
    tiles = "".join(
        f'<div class="tile" style="color:{VERDICTS[word]}"><b>{n}</b>{word}</div>' for word, n in judged.score.items()
    )
    tiles += f'<div class="tile"><b>{judged.finished}</b>of {judged.runs} runs finished</div>'
    columns = list(dict.fromkeys(name for v in verdicts for name in v.columns))
    rows = [
        (f'<a href="#{v.id}">{v.id}</a> {escape(v.claim)}', _badge(v.verdict), *(_column(v, name) for name in columns))
        for v in verdicts
    ]
    drawn = {name: _picture(pictures, name) for name in {*FIGURES.values(), *OTHERS}}
    first = {FIGURES[v.id]: v.id for v in reversed(verdicts) if v.id in FIGURES}
    sections = []
    for v in verdicts:
        name = FIGURES.get(v.id, "")
        picture = drawn.get(name, "")
        if picture and first[name] != v.id:
            picture = f'<p class="note"><a href="#figure-{name}">Its figure is shown with {first[name]}.</a></p>'
        sections.append(_section(v, picture))
    further = "".join(drawn[name] for name in OTHERS)
    further += "".join(
        f"<details><summary>{escape(t)}</summary>{_rows(rows)}</details>" for t, rows in judged.tables.items() if rows
    )
    items = {"profile": judged.profile, "experiments": ", ".join(judged.experiments)}
    items |= {"not trained": ", ".join(judged.untrained) or "nothing"}
    items |= {name: "; ".join(values) or "not recorded" for name, values in judged.provenance.items()}
    about = "".join(f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in items.items())
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>{TITLE}</title><style>{(HERE / "page" / "page.css").read_text()}</style></head><body>'
    )
    return (
        f"{head}<h1>{TITLE}</h1><nav>{contents}<br>{links}</nav><div class='tiles'>{tiles}</div><p>{RULE}</p>"
        f'<h2 id="wrong">What the theory gets wrong</h2>{_wrong(verdicts)}'
        f'<h2 id="table">All predictions</h2>'
        '<p class="note">Numbers with 95 % intervals over seeds, in the colour of what each says.</p>'
        f"{_table(('prediction', 'verdict', *columns), rows, 'wide')}"
        f"<h2>One by one</h2>{''.join(sections)}"
        f'<h2 id="further">Further</h2>{further}<h2 id="provenance">Provenance</h2><dl>{about}</dl></body></html>\n'
    )


def write(folder: Path) -> Path:
    """Draws the figures of a folder of judged runs, and writes its report.html.  FileNotFoundError, ValueError."""
    file = folder / "verdicts.json"
    if not file.exists():
        raise FileNotFoundError(
            f"the page needs a folder with verdicts.json; there is none in {folder}. Make it: python -m validate report "
            f"{folder}"
        )
    judged = load(file)
    out = folder / "figures"
    wanted = [*dict.fromkeys(FIGURES[v.id] for v in judged.verdicts if v.id in FIGURES), *OTHERS]
    build(wanted, paths=Paths(data=folder, gallery=out, build=out / "vector"))
    page = folder / "report.html"
    write_whole(page, html(judged, out).encode())
    return page
