"""Verdicts in words: Markdown for files and READMEs, aligned text for a terminal. Draws nothing."""

from __future__ import annotations

import math
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from realnet import RunConfig
from validate.prediction import ABSENT, CONFIRMED, INCONCLUSIVE, REFUTED, Prediction, Verdict
from validate.verdicts import Judgement
from validate.words import number_words

__all__ = [
    "agreement", "cell", "counts", "curve", "decided_now", "life", "listing", "markdown", "rows_table", "table",
    "terminal", "wrong",
]  # fmt: skip

WIDTH = 110
# Blue, bold red, yellow, faint: told apart by colour-blind readers, and each has its word.
CODES = {CONFIRMED: "34;1", REFUTED: "31;1", INCONCLUSIVE: "33", ABSENT: "2"}


def _cell(text: str) -> str:
    return re.sub(r"[ \n\t]+", " ", str(text)).strip().replace("|", "\\|")


def _row(*cells: str) -> str:
    return "| " + " | ".join(_cell(c) for c in cells) + " |"


def counts(found: Judgement) -> str:
    """How many predictions have which verdict."""
    return ", ".join(f"{n} {verdict}" for verdict, n in found.score.items())


def table(found: Judgement) -> str:
    """The verdict table: a row a number, protocols (or tasks) as columns. A verdict in brackets is of one not claimed."""
    names = list(dict.fromkeys(name for v in found.verdicts for name in v.columns))
    lines = [_row("prediction", "number", "rule", *names), _row(*["---"] * (3 + len(names)))]
    for v in found.verdicts:
        heads = {name: f"({column.verdict})" for name, column in v.columns.items()}
        heads |= {name: f"**{v.column(name).verdict}**" for name in v.prediction.claimed}
        when = f"decided by {v.decides}; {v.prediction.standing}"
        lines.append(_row(f"**{v.id}** {v.claim}", when, "", *(heads.get(name, "") for name in names)))
        for i, criterion in enumerate(v.prediction.criteria):
            cells = [str(v.number(i, name)) if v.column(name).findings else "" for name in names]
            lines.append(_row("", criterion.name, criterion.rule, *cells))
    return "\n".join(lines) + "\n"


def wrong(found: Judgement) -> str:
    """Every number that refutes a claim where it is made, a line each."""
    lines = [
        f"- **{v.id}**, {protocol}. {v.claim} {_capital(f.criterion.name)}: predicted {f.criterion.rule}, measured "
        f"{f.estimate}."
        for v in found.verdicts
        for protocol in v.columns
        for f in v.column(protocol).findings
        if protocol in v.prediction.claimed and f.verdict == REFUTED
    ]
    return "\n".join(lines) or "Nothing was refuted on these data."


def _capital(text: str) -> str:
    """A sentence's first letter, but not that of a logarithm."""
    return text if text.startswith("ln") else text[:1].upper() + text[1:]


def cell(value: Any) -> str:
    """A value of a row: yes or no, a number, a dash for one that is missing, or text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return "–" if math.isnan(value) else number_words(value)
    return str(value)


def rows_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as a table; a dash for what a row does not have."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    lines = [_row(*names), _row(*["---"] * len(names))]
    for row in rows:
        lines.append(_row(*(cell(row.get(n, math.nan)) for n in names)))
    return "\n".join(lines) + "\n"


SHOWN = {"P11": ("held out", "outcomes"), "P13": ("escapes", "laws", "laws in all"), "P14": ("settings",)}
"""Tables of predictions that a reader wants in full"""


def markdown(found: Judgement) -> str:
    """The whole file: verdicts, what is refuted, the tables behind. Sections start with "## "."""
    where = found.provenance
    left = f"Not trained: {', '.join(found.untrained)}. " if found.untrained else ""
    parts = [
        f"## Verdicts\n\nProfile `{found.profile}`: {counts(found)}. {found.finished} of {found.runs} runs finished "
        f"on {', '.join(where['device'])} ({', '.join(where['processor'])}). {left}Intervals are 95 % over seeds; a verdict "
        f"in brackets is of a protocol for which nothing is claimed.\n\n{table(found)}",
        f"## What the theory gets wrong\n\n{wrong(found)}\n",
        "## Numbers beside the verdicts\n",
    ]
    for v in found.verdicts:
        for protocol, column in v.columns.items():
            lines = [
                f"- {name}: {e}{'; ' + e.note if e.exists and e.note else ''}" for name, e in column.beside.items()
            ]
            lines += [f"- {remark}" for remark in column.remarks]
            if lines:
                parts.append(f"**{v.id}, {protocol}**\n\n" + "\n".join(lines) + "\n")
        for protocol, column in v.columns.items():
            for name in SHOWN.get(v.id, ()):
                if column.tables.get(name):
                    parts.append(f"**{v.id}, {protocol}: {name}**\n\n{rows_table(column.tables[name])}")
    parts += [f"## {title}\n\n{rows_table(rows)}" for title, rows in found.tables.items()]
    return "\n".join(parts)


def _coloured(text: str, verdict: str) -> str:
    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{CODES[verdict]}m{text}\x1b[0m" if wanted else text


def terminal(found: Judgement) -> str:
    """Three columns: claim, verdict, number (of the deciding protocol)."""
    left, right = 46, WIDTH - 46 - 16
    lines = [f"{'claim':<{left}}{'verdict':<16}number (95 % interval, n seeds) and rule", "─" * WIDTH]
    for v in found.verdicts:
        claims = textwrap.wrap(f"{v.id}  {v.claim} [{v.decides}]", left - 2)
        says: list[str] = []
        for f in v.column().findings:
            says += textwrap.wrap(f"{f.criterion.name}: {f.estimate}; {f.criterion.rule}", right)
        says = says or textwrap.wrap(v.column().missing, right)
        for i in range(max(len(claims), len(says))):
            claim = claims[i] if i < len(claims) else ""
            verdict = _coloured(f"{v.verdict:<16}", v.verdict) if i == 0 else " " * 16
            lines.append(f"{claim:<{left}}{verdict}{says[i] if i < len(says) else ''}".rstrip())
        lines.append("")
    return "\n".join(lines)


def life(networks: Sequence[tuple[RunConfig, npt.NDArray[np.float64]]]) -> str:
    """Accuracy over training of a network and of the one that started from it, a line of bars each."""
    if not networks:
        return ""
    (parent, grokking), (child, ungrokking) = networks
    return "\n".join((
        f"A network that groks: accuracy on examples it never saw, {parent.dataset_size} training examples, "
        f"{parent.steps} steps",
        f"  {_bars(grokking)}  {grokking[-1]:.2f}",
        f"It ungroks: accuracy on examples taken away, {child.dataset_size} are left to train on, {child.steps} more steps",
        f"  {_bars(ungrokking)}  {ungrokking[-1]:.2f}",
    ))  # fmt: skip


def _bars(values: npt.NDArray[np.float64], width: int = 60) -> str:
    """Values from 0 to 1 as blocks, each the mean of its share of the steps."""
    parts = np.array_split(values, min(width, len(values)))
    return "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * part.mean()))] for part in parts)


def decided_now(verdict: Verdict) -> str:
    """A verdict with its first number, in a line."""
    text = "".join(f" at {f.estimate}: {f.criterion.name}" for f in verdict.column().findings[:1])
    line = textwrap.shorten(f"{verdict.id} {verdict.verdict}{text}", WIDTH - 2, placeholder=" …")
    return f"  {line}"


def curve(rows: Sequence[Mapping[str, Any]], where: str) -> str:
    """The ungrokking curve at the paper's size as bars."""
    lines = [f"Ungrokking at the paper's own size (p = 113, width 128), {where}: accuracy outside D′"]
    for row in rows:
        accuracy = row["accuracy"]
        bar, seeds = "█" * round(40 * accuracy), f"{row['seeds']} seed{'s' * (row['seeds'] != 1)}"
        lines.append(f"  D′ = {row['dataset_size']:>5}  {bar:<40} {accuracy:.2f}  ({seeds})")
    return "\n".join(lines)


def agreement(found: Judgement, study: Judgement) -> str:
    """How far these verdicts agree with those of the saved study, counted over what was tested and decided in both."""
    here, there, tested = found.decided, study.decided, found.words
    both = [id for id in here if id in there]
    same = [id for id in both if here[id] == there[id]]
    said = {
        "differ": [f"{id} ({here[id]}, there {there[id]})" for id in both if id not in same],
        "decided only here": [id for id in here if id not in there],
        "open here": [id for id in there if tested.get(id) == INCONCLUSIVE],
        "not tested here": [id for id in there if tested.get(id, ABSENT) == ABSENT],
    }
    rest = "".join(f"; {name}: {', '.join(ids)}" for name, ids in said.items() if ids)
    return (
        f"Against the saved study ({study.finished} runs): {len(same)} of {len(both)} predictions decided in both agree"
        f"{rest}."
    )


def listing(predictions: Iterable[Prediction]) -> str:
    """Every prediction with its claim, protocols, rule and power."""
    lines = []
    for p in predictions:
        lines += textwrap.wrap(f"{p.id}  {p.claim}", WIDTH, subsequent_indent="     ")
        for protocol in p.columns:
            why = p.claimed.get(protocol)
            said = f"claimed: {why}" if why else f"not claimed: {p.unclaimed[protocol]}"
            lines += textwrap.wrap(f"     {protocol:<8} {said}", WIDTH, subsequent_indent=" " * 14)
        lines += textwrap.wrap(f"     measured {p.statistic}", WIDTH, subsequent_indent=" " * 14)
        lines += textwrap.wrap(f"     source   {p.source}", WIDTH, subsequent_indent=" " * 14)
        for c in p.criteria:
            text = (
                f"     rule     {c.name} {c.rule} ({c.why}); power {c.power():.2f} with {c.seeds} seeds, if the truth is "
                f"{c.truth:g} and seeds spread by {c.spread:g}"
            )
            lines += textwrap.wrap(text, WIDTH, subsequent_indent=" " * 14)
        if p.changed:
            lines += textwrap.wrap(f"     changed  {p.changed}", WIDTH, subsequent_indent=" " * 14)
        lines.append("")
    return "\n".join(lines)
