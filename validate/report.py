"""Verdicts in words: Markdown for files and READMEs, aligned text for a terminal. Draws nothing."""

from __future__ import annotations

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
from validate.verdicts import decided, score, words
from validate.words import Number, interval_words, number, number_words

__all__ = [
    "agreement", "curve", "decided_now", "life", "listing", "markdown", "rows_table", "table", "terminal", "wrong",
]  # fmt: skip

WIDTH = 110
# Blue, bold red, yellow, faint: told apart by colour-blind readers, and each has its word.
CODES = {CONFIRMED: "34;1", REFUTED: "31;1", INCONCLUSIVE: "33", ABSENT: "2"}


def _cell(text: str) -> str:
    return re.sub(r"[ \n\t]+", " ", str(text)).strip().replace("|", "\\|")


def _row(*cells: str) -> str:
    return "| " + " | ".join(_cell(c) for c in cells) + " |"


def table(content: Mapping[str, Any]) -> str:
    """The verdict table: a row a number, protocols (or tasks) as columns. A verdict in brackets is of one not claimed."""
    names = list(dict.fromkeys(name for p in content["predictions"] for name in p["columns"]))
    lines = [_row("prediction", "number", "rule", *names), _row(*["---"] * (3 + len(names)))]
    for p in content["predictions"]:
        columns = [p["columns"].get(name, {"verdict": "", "findings": []}) for name in names]
        heads = [
            f"**{c['verdict']}**" if name in p["claimed"] else f"({c['verdict']})" if c["verdict"] else ""
            for name, c in zip(names, columns, strict=True)
        ]
        head = f"decided by {p['decides']}; {p['standing']}"
        lines.append(_row(f"**{p['id']}** {p['claim']}", head, "", *heads))
        for i, criterion in enumerate(p["criteria"]):
            cells = [interval_words(c["findings"][i]) if len(c["findings"]) > i else "" for c in columns]
            lines.append(_row("", criterion["criterion"], criterion["rule"], *cells))
    return "\n".join(lines) + "\n"


def wrong(content: Mapping[str, Any]) -> str:
    """Every number that refutes a claim where it is made, a line each."""
    lines = []
    for p in content["predictions"]:
        for protocol, column in p["columns"].items():
            if protocol not in p["claimed"]:
                continue
            for f in column["findings"]:
                if f["verdict"] == REFUTED:
                    lines.append(
                        f"- **{p['id']}**, {protocol}. {p['claim']} {_capital(f['criterion'])}: predicted {f['rule']}, "
                        f"measured {interval_words(f)}."
                    )
    return "\n".join(lines) or "Nothing was refuted on these data."


def _capital(text: str) -> str:
    """A sentence's first letter, but not that of a logarithm."""
    return text if text.startswith("ln") else text[:1].upper() + text[1:]


def _value(value: Any) -> str:
    """A value of a row: a number, what stands for one that is missing or infinite, or text."""
    if value is None:
        return "–"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return number_words(value) if is_number or value in ("inf", "-inf") else str(value)


def rows_table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(key for row in rows for key in row))
    lines = [_row(*names), _row(*["---"] * len(names))]
    for row in rows:
        lines.append(_row(*(_value(row.get(n)) for n in names)))
    return "\n".join(lines) + "\n"


SHOWN = {"P11": ("held out", "outcomes"), "P13": ("escapes", "laws", "laws in all"), "P14": ("settings",)}
"""Tables of predictions that a reader wants in full"""


def markdown(content: Mapping[str, Any]) -> str:
    """The whole file: verdicts, what is refuted, the tables behind. Sections start with "## "."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in score(content).items())
    p = content["provenance"]
    left = f"Not trained: {', '.join(content['untrained'])}. " if content["untrained"] else ""
    parts = [
        f"## Verdicts\n\nProfile `{content['profile']}`: {counts}. {content['finished']} of {content['runs']} runs finished "
        f"on {', '.join(p['device'])} ({', '.join(p['processor'])}). {left}Intervals are 95 % over seeds; a verdict in "
        f"brackets is of a protocol for which nothing is claimed.\n\n{table(content)}",
        f"## What the theory gets wrong\n\n{wrong(content)}\n",
        "## Numbers beside the verdicts\n",
    ]
    for one in content["predictions"]:
        for protocol, column in one["columns"].items():
            lines = [
                f"- {b['name']}: {interval_words(b)}{'; ' + b['note'] if b['note'] else ''}" for b in column["beside"]
            ]
            lines += [f"- {remark}" for remark in column["remarks"]]
            if lines:
                parts.append(f"**{one['id']}, {protocol}**\n\n" + "\n".join(lines) + "\n")
        for protocol, column in one["columns"].items():
            for name in SHOWN.get(one["id"], ()):
                if column["tables"].get(name):
                    parts.append(f"**{one['id']}, {protocol}: {name}**\n\n{rows_table(column['tables'][name])}")
    parts += [f"## {title}\n\n{rows_table(rows)}" for title, rows in content["tables"].items()]
    return "\n".join(parts)


def _coloured(text: str, verdict: str) -> str:
    wanted = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{CODES[verdict]}m{text}\x1b[0m" if wanted else text


def terminal(content: Mapping[str, Any]) -> str:
    """Three columns: claim, verdict, number (of the deciding protocol)."""
    left, right = 46, WIDTH - 46 - 16
    lines = [f"{'claim':<{left}}{'verdict':<16}number (95 % interval, n seeds) and rule", "─" * WIDTH]
    for p in content["predictions"]:
        column = p["columns"][p["decides"]]
        claims = textwrap.wrap(f"{p['id']}  {p['claim']} [{p['decides']}]", left - 2)
        says: list[str] = []
        for f in column["findings"]:
            says += textwrap.wrap(f"{f['criterion']}: {interval_words(f)}; {f['rule']}", right)
        says = says or textwrap.wrap(column["missing"], right)
        for i in range(max(len(claims), len(says))):
            claim = claims[i] if i < len(claims) else ""
            verdict = _coloured(f"{p['verdict']:<16}", p["verdict"]) if i == 0 else " " * 16
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
    column, text = verdict.columns[verdict.prediction.decides], ""
    if column.findings:
        name, e = column.findings[0].criterion.name, column.findings[0].estimate
        text = f" at {Number.measured(e.interval, *e.basis, e.of)}: {name}"
    line = textwrap.shorten(f"{verdict.prediction.id} {verdict.verdict}{text}", WIDTH - 2, placeholder=" …")
    return f"  {line}"


def curve(rows: Sequence[Mapping[str, Any]], where: str) -> str:
    """The ungrokking curve at the paper's size as bars."""
    lines = [f"Ungrokking at the paper's own size (p = 113, width 128), {where}: accuracy outside D′"]
    for row in rows:
        accuracy = number(row["accuracy"])
        bar, seeds = "█" * round(40 * accuracy), f"{row['seeds']} seed{'s' * (row['seeds'] != 1)}"
        lines.append(f"  D′ = {row['dataset_size']:>5}  {bar:<40} {accuracy:.2f}  ({seeds})")
    return "\n".join(lines)


def agreement(content: Mapping[str, Any], study: Mapping[str, Any]) -> str:
    """How far these verdicts agree with those of the saved study, counted over what was tested and decided in both."""
    here, there, tested = decided(content), decided(study), words(content)
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
        f"Against the saved study ({study['finished']} runs): {len(same)} of {len(both)} predictions decided in both agree"
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
