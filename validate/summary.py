"""Verdicts in Markdown, `verdicts.md`: the table, and what the theory gets wrong. Sections start with "## "."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realnet.records import write_atomically
from validate.prediction import REFUTED
from validate.verdicts import interval_words, region_words, runs_words, score

__all__ = ["markdown", "table", "write", "wrong"]


def _cell(text: str) -> str:
    return re.sub(r"[ \n\t]+", " ", str(text)).strip().replace("|", "\\|")


def table(content: Mapping[str, Any]) -> str:
    """The verdict table: a row for each number, the prediction and its verdict in the first of them."""
    rows = [
        "| prediction | verdict | measured (95 % interval, n seeds) | region | runs (censored) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for p in content["predictions"]:
        first = [f"**{p['id']}** {p['claim']}", f"**{p['verdict']}**"]
        for finding in p["findings"]:
            state = "" if len(p["findings"]) == 1 else f"; {finding['verdict']}"
            measured = f"{finding['criterion']}: {interval_words(finding)}{state}"
            cells = [*first, measured, region_words(finding), runs_words(finding)]
            rows.append("| " + " | ".join(_cell(c) for c in cells) + " |")
            first = ["", ""]
        if not p["findings"]:
            cells = [*first, "not measured", "; ".join(region_words(c) for c in p["criteria"]), "0 (0)"]
            rows.append("| " + " | ".join(_cell(c) for c in cells) + " |")
    return "\n".join(rows) + "\n"


def wrong(content: Mapping[str, Any]) -> str:
    """Every number that was refuted, and every control that the same rule would refute, a line each."""
    lines = []
    for p in content["predictions"]:
        for found, name in [(f, f["criterion"]) for f in p["findings"]] + [(c, c["name"]) for c in p["controls"]]:
            if found.get("verdict") != REFUTED:
                continue
            rule = found if "region" in found else next(f for f in p["findings"] if name.startswith(f["criterion"]))
            decides = "" if "region" in found else " (a control: it decides nothing)"
            lines.append(
                f"- **{p['id']}** {p['claim']} {_capital(name)}: predicted {region_words(rule)}, measured "
                f"{interval_words(found | {'unit': rule['unit']})}{decides}."
            )
    return "\n".join(lines) or "Nothing was refuted on these data."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def markdown(content: Mapping[str, Any]) -> str:
    """The whole file."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in score(content).items())
    p = content["provenance"]
    about = (
        f"Profile `{content['profile']}`: {counts}. {content['finished']} of {content['runs']} runs finished, on "
        f"{', '.join(p['device'])} ({', '.join(p['processor'])}), {', '.join(p['date']) or 'date not recorded'}. "
        "Intervals are 95 % over seeds; a number to which too many runs are censored decides nothing."
    )
    return f"## Verdicts\n\n{about}\n\n{table(content)}\n## What the theory gets wrong\n\n{wrong(content)}\n"


def write(path: Path, content: Mapping[str, Any]) -> Path:
    """Write `markdown` to `path`; a kill leaves the old file or the new one. Errors: StorageError."""
    text = markdown(content)
    write_atomically(path, lambda name: Path(name).write_text(text, encoding="utf-8"))
    return path
