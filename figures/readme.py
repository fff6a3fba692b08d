"""The READMEs' numbers and pictures, from saved results: `python -m figures readme [--check]`.

A README has blocks between `<!-- begin: name -->` and `<!-- end: name -->`; each is written by the template
`templates/<name>.md`, in which

    study, rival     the saved verdicts of both theories (validate.verdicts.Judgement): `study.P3` is a verdict,
                     `study.P3.number()` its first number, `.number(1, "AdamW")`, `study.P3.column("AdamW")` all of it
    paper            those in the paper's own setting, as far as it is trained
    bench(name)      a benchmark's saved result
    captions         those of the gallery's figures, in the paper's order

and the filters `factor` (of a number ln x, x), `table`, `between` (median and range), `fill` (lines of prose). What a
template names and is not there is an error.
"""

import json
import math
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from validate import report, verdicts
from validate.prediction import Estimate
from validate.predictions import suite
from validate.rivals import THEORIES, alone_rows, score_rows, scorecard

from .catalogue import ORDER
from .paths import HERE, Paths
from .render import write_whole

__all__ = ["FILES", "render", "update"]

ROOT = HERE.parent
FILES = ("README.md", "toymodel/README.md", "realnet/README.md", "validate/README.md", "figures/README.md")
RESULTS = ROOT / "tests" / "benchmarks" / "results"
GALLERY, TEMPLATES = HERE / "gallery", HERE / "templates"


def judged(file: Path) -> verdicts.Judgement:
    """The verdicts of a file. Errors: ValueError where a prediction is not in it."""
    found = verdicts.load(file)
    lacking = suite(found.experiments).keys() - found.words.keys()
    if lacking:
        raise ValueError(
            f"every prediction must be in {file}; {', '.join(sorted(lacking))} is not. Judge anew: "
            f"python -m validate report {file.parent}"
        )
    return found


def bench(name: str) -> dict[str, Any]:
    """A benchmark's saved result.  FileNotFoundError where it is not there."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path.relative_to(ROOT)} must be there, and is not. Make it: make bench")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def factor(found: Estimate) -> str:
    """Of a number that is a logarithm, the number."""
    return str(found.exp())


def between(values: Mapping[str, float], digits: int = 3, scale: float = 1.0) -> str:
    """Median (least to greatest, n)."""
    middle, low, high = (f"{scale * values[key]:.{digits}g}" for key in ("median", "min", "max"))
    return f"{middle} ({low} to {high}, n = {values['n']})"


def fill(text: str, indent: str = "") -> str:
    """Prose on lines of 118 characters; "n = 3" is not broken."""
    whole = re.sub(r"\s+", " ", text).strip().replace("n = ", "n\u00a0=\u00a0")
    return textwrap.fill(whole, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _captions() -> dict[str, dict[str, Any]]:
    found = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in GALLERY.glob("*.json")}
    return {name: found[name] for name in ORDER if name in found}


def _demonstration() -> Mapping[str, float]:
    """Minutes of a core that the saved quick runs, and those they start from, were trained for."""
    about = verdicts.load(Paths().data.parent / "quick" / "verdicts.json")
    return {"core_minutes": about.core_seconds / 60, "runs": about.trained}


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    return report.rows_table(rows) if rows else "Not measured.\n"


def environment() -> jinja2.Environment:
    """What a template is rendered with."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                              autoescape=False)  # fmt: skip
    made.filters |= {"factor": factor, "table": _rows, "between": between, "fill": fill}
    rival, paper = (Paths().saved(f"{name}/verdicts.json") for name in ("omnigrok", "paper"))
    study = judged(Paths().data / "verdicts.json")
    other = judged(rival) if rival.exists() else None
    card = scorecard([*study.verdicts, *(other.verdicts if other else ())])
    made.globals |= {
        "study": study, "rival": other, "paper": judged(paper) if paper.exists() else None,
        "bench": bench, "captions": _captions(), "report": report,
        "card": card, "contested": score_rows(card), "alone": alone_rows(card), "theories": list(THEORIES),
        "demonstration": _demonstration, "exp": math.exp,
        "own": (Paths().data.parent / "own.txt").read_text(encoding="utf-8"),
        "hero": json.loads((GALLERY / "hero.json").read_text(encoding="utf-8")),
    }  # fmt: skip
    return made


def render(text: str) -> str:
    """`text` with every marked block written anew.  ValueError for a block that nothing writes."""
    templates = environment()
    known = sorted(name.removesuffix(".md") for name in templates.list_templates())
    for name in re.findall(r"<!-- begin: (\S+) -->", text):
        if name not in known:
            raise ValueError(f"a block must be one of {', '.join(known)}; got {name!r}. Name one of them.")
        pattern = rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)"
        content = templates.get_template(f"{name}.md").render().strip("\n")
        text = re.sub(pattern, lambda m, content=content: f"{m[1]}{content}\n{m[2]}", text, flags=re.DOTALL)
    return text


def update(*, check: bool = False, root: Path = ROOT) -> int:
    """Writes the READMEs anew; with `check`, only says which are not what their sources say.  0 if they are current."""
    stale = []
    for file in (root / name for name in FILES if (root / name).exists()):
        old = file.read_text(encoding="utf-8")
        new = render(old)
        if new != old:
            stale.append(file.relative_to(root).as_posix())
            if not check:
                write_whole(file, new.encode())
    if check and stale:
        print(f"not what the sources say: {', '.join(stale)}. Run: python -m figures readme", file=sys.stderr)
    return int(check and bool(stale))
