"""Numbers and pictures of the READMEs, written by program: `python -m figures readme [--check]`.

A README has blocks between `<!-- begin: name -->` and `<!-- end: name -->`; each is a function here, of saved results:

    hero         the animation at the top
    findings     what was found, a claim, its verdict and a number each
    verdicts     a table of three columns: claim, verdict, number
    thumbnails   six pictures that lead into the gallery
    numbers      speed in a few lines;  speed, networks: all of it
    gallery      every picture with its caption, in the paper's order
"""

import json
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from validate.rivals import score_rows, scorecard

from .catalogue import ORDER
from .paths import HERE, Paths
from .render import write_whole
from .verdicts import Number, Verdicts

__all__ = ["BLOCKS", "FILES", "render", "update"]

ROOT = HERE.parent
FILES = ("README.md", "toymodel/README.md", "realnet/README.md", "figures/README.md")
RESULTS = ROOT / "tests" / "benchmarks" / "results"
GALLERY = HERE / "gallery"
LONG = 240
"""Characters of a claim and its number that a row of the front page holds"""
THUMBNAILS = ("behaviours", "efficiency", "ungrokking", "quantitative", "escape", "phase_kappa_dataset_size")


def load(name: str) -> dict[str, Any]:
    """A benchmark's saved result.  FileNotFoundError where it is not there."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        raise FileNotFoundError(f"{path.relative_to(ROOT)} must be there, and is not. Make it: make bench")
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def judged() -> Verdicts:
    """What was judged from the project's own runs."""
    return Verdicts(Paths().data / "verdicts.json")


def between(values: dict[str, float], digits: int = 3, scale: float = 1.0) -> str:
    """Median (least to greatest, n)."""
    middle, low, high = (f"{scale * values[key]:.{digits}g}" for key in ("median", "min", "max"))
    return f"{middle} ({low} to {high}, n = {values['n']})"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _deciding(p: dict[str, Any]) -> dict[str, Any]:
    """The finding that a prediction stands or falls with: the first that is not confirmed, or the first."""
    found = p["columns"][p["decides"]]["findings"]
    return next((f for f in found if f["verdict"] == p["verdict"]), found[0] if found else {})


def hero() -> str:
    """The animation at the top."""
    about = json.loads((GALLERY / "hero.json").read_text(encoding="utf-8"))
    caption = textwrap.fill(f"*{about['caption']}*", 118)
    return f"![A network groks, and so does the toy model](figures/gallery/hero.gif)\n\n{caption}"


def findings() -> str:
    """The story in four findings: a sentence and its numbers each."""
    found = judged()

    def percent(name: str) -> str:
        error = found.number("P11", name)
        return f"{100 * error.value:.1f} % ({100 * error.low:.1f} to {100 * error.high:.1f}, n = {error.n})"

    ratio = found.number("P8a", "ln(isologit D_crit / ungrokking D_crit)").exp()
    shift = found.number("P3", "ln D_crit at the least weight decay less that at the largest")
    logit, norm = (f"rms error of ln {name} on held-out mixtures" for name in ("logit", "norm"))
    gap = found.number("P7", "gap ln(D_scratch / D_ungrokking) at the end").exp()
    large = found.number("P7", "gap ln(D_scratch / D_ungrokking) at the end, p113").exp()
    refuted = [p for p in found.predictions if p["verdict"] == "refuted"]
    parts = [
        "**The efficiencies cross where nets ungrok.** The size at which Mem-only and Gen-only nets need the same norm, "
        f"over the size at which nets that have grokked lose it: {ratio}; it moves by {shift} in ln D with weight decay.",
        "**The theory gives numbers once circuits share norm.** Four numbers of single circuits and μ give mixtures that "
        f"were not fitted: logits to {percent(logit)}, norms to {percent(norm)}.",
        "**From scratch there is a barrier.** Nets need more pairs than at ungrokking by a factor of "
        f"{gap}, at the paper's size {large}, and stay memorising where grokked ones stay grokked.",
        "**Refuted:** "
        + ("; ".join(f"{p['claim'].partition(':')[0].rstrip('.')} ({p['id']})" for p in refuted) or "nothing")
        + ".",
        *_two_theories(found),
    ]
    parts = [part.replace("n = ", "n\u00a0=\u00a0") for part in parts]  # not to be broken
    return "\n".join(textwrap.fill(f"{k}. {part}", 118, subsequent_indent="   ") for k, part in enumerate(parts, 1))


def _two_theories(found: Verdicts) -> list[str]:
    """How both theories come off on all predictions, in a sentence; none where the rival's runs are not kept."""
    file = Paths().saved("omnigrok/verdicts.json")
    if not file.exists():
        return []
    rival = Verdicts(file)
    first, second = score_rows(scorecard([*found.predictions, *rival.predictions]))
    law = Number.of(rival.column("O5", "teacher")["findings"][0])
    scale = {task: Number.of(rival.column("O7", task)["findings"][0]) for task in ("teacher", "digits", "addition")}
    return [
        "**Two theories, the same runs:** of what it says yes or no to, circuit efficiency is right on "
        f"{first['right']} and wrong on {first['wrong']}, Omnigrok on {second['right']} and {second['wrong']}; the latter's "
        f"forecast of when its own example generalises is off by a factor {law.exp()}. "
        "Of what a large start delays, the scale of the outputs explains, not the norm, a share of "
        f"{scale['teacher']} on teacher and student, {scale['digits']} on digits, {scale['addition']} on addition."
    ]


def verdicts() -> str:
    """Claim, verdict, number; the verdict's protocol decides."""
    found = judged()
    rows = []
    for p in found.predictions:
        entry = _deciding(p)
        value = f"{entry['criterion']}: {Number.of(entry)}" if entry else "not measured"
        # A claim of several parts is given by its first; validate/README.md has all of it.
        claim = p["claim"] if len(p["claim"]) + len(value) < LONG else p["claim"].partition(":")[0] + "."
        rows.append((f"**{p['id']}** {claim}", f"{p['verdict']} ({p['decides']})", value))
    score = ", ".join(f"{n} {verdict}" for verdict, n in found.score().items())
    head = f"{score}; {found.data['finished']} of {found.data['runs']} runs finished. Intervals: 95 % over seeds."
    return f"{head}\n\n{table(('claim', 'verdict', 'number'), rows)}"


def _captions() -> dict[str, dict[str, Any]]:
    """Captions of the gallery's figures by name, in the paper's order."""
    found = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in GALLERY.glob("*.json")}
    return {name: found[name] for name in ORDER if name in found}


def thumbnails() -> str:
    """Six pictures, three in a row, each a link to its place in the gallery."""
    cells = [f"[![{name}](figures/gallery/{name}.png)](figures/README.md#{name})" for name in THUMBNAILS]
    return table(tuple(cells[:3]), [tuple(cells[3:])])


def gallery() -> str:
    """Every picture under its title, with its caption and where its runs are from."""
    parts = []
    for name, about in _captions().items():
        source = f"\n\n<sub>{about['source']}</sub>" if about.get("source") else ""
        parts.append(
            f'<a id="{name}"></a>\n\n'
            + f"## {about['title']}\n\n![{about['title']}](gallery/{name}.png)\n\n{about['caption']}{source}"
        )
    return "\n\n".join(parts)


def _speeds() -> list[tuple[str, str]]:
    toymodel = load("toymodel")
    t = toymodel["throughput"]
    return [
        ("`import toymodel`, seconds", between(toymodel["imports"]["seconds"])),
        ("`simulate()`, ms", between(toymodel["default_simulation"]["seconds"], 3, 1e3)),
        ("`sweep` against LSODA, throughput ratio", f"**{between(t['ratio_all_cores'])}**"),
        ("256 × 256 phase diagram, seconds", between(toymodel["phase_diagram"]["seconds"])),
        ("first `simulate()` after import, ms", between(toymodel["default_simulation"]["first_call_seconds"], 3, 1e3)),
        ("the ratio on one thread", between(t["ratio_one_thread"])),
        ("`sweep`, microseconds a point", between(t["microseconds_per_point"])),
        ("share of that in exponentials and logarithms, one thread", between(load("toymodel_bound")["share"], 2)),
        ("its largest error in a final logit, nats", f"{t['logit_error']['quantile_1']:.1e} (LSODA's: "
         f"{t['logit_error_independent']['baseline_max']:.1e})"),
    ]  # fmt: skip


def demo() -> str:
    """Minutes that the saved quick runs and those they start from were trained for, halved: two at a time."""
    saved = [xr.open_dataset(file, engine="netcdf4") for file in sorted((Paths().data.parent / "quick").glob("*/*.nc"))]
    own = [seconds for ds in saved for seconds in ds.wall_time.values.ravel() if np.isfinite(seconds)]
    parents = {name: seconds for ds in saved for name, seconds in json.loads(ds.attrs["parents"]).items()}
    return f"{(sum(own) + sum(parents.values())) / 120:.0f} ({len(own) + len(parents)} runs)"


def numbers() -> str:
    """Speed in a few lines."""
    ratios = load("realnet")["ratio"]
    case = ratios["small, 2 threads"]
    rows = [
        *_speeds()[1:3],
        ("`make demo`, minutes of training on two cores", demo()),
        ("a run of `realnet` against the faster plain loop", f"**{between(case['ratio'])}**"),
    ]
    moved = load("explore")["weight_decay"]
    spread = f"(from {moved['min']:.0f}, nine in ten within {moved['p90']:.0f}, n = {moved['n']})"
    rows.insert(3, ("`make explore`, from a moved slider to its answer, ms", f"{moved['median']:.0f} {spread}"))
    p = load("toymodel")["provenance"]
    return f"{table(('measured', 'median (range)'), rows)}\n\n{p['processor']}, {p['cores']} cores. All of it: `make bench`."


def speed() -> str:
    """The benchmarks of the toy model, whole."""
    found = load("toymodel")
    p, t, g = found["provenance"], found["throughput"], found["growth"]
    rows = _speeds()
    if (RESULTS / "diffrax.json").exists():
        other = load("diffrax")
        for name in ("Kvaerno5", "Tsit5"):
            row = other[name]
            rows.append((f"`sweep` against diffrax {other['provenance']['versions']['diffrax']} ({name}, vmapped, "
                         f"tolerance {row['rtol_and_atol']:g}, error {row['logit_error_max']:.0e})",
                         between(row["sweep_is_times_faster"])))  # fmt: skip

    def cost(axis: str) -> str:
        return ", ".join(f"{key}: {value['median']:.3g}" for key, value in g[axis].items())

    versions = ", ".join(f"{k} {v}" for k, v in p["versions"].items())
    return (
        f"{table(('measured', 'median (range)'), rows)}\n\nBaseline: {t['baseline']}; {t['grid']}. The largest error is "
        f"over all {64 * 64} points against {t['logit_error']['against']}. {p['processor']}, {p['cores']} cores, Python "
        f"{p['python']}, {versions}.\n\nMicroseconds a point: by number of points {cost('points')}; by circuits "
        f"{cost('circuits')}; by 2 − κ {cost('two_minus_kappa')}."
    )


def networks() -> str:
    """realnet against a plain loop."""
    ratios = load("realnet")["ratio"]
    env = ratios["environment"]
    rows = []
    for size in ("small", "paper"):
        for threads in (2, 1):
            case = ratios[f"{size}, {threads} threads"]
            c = case["config"]
            name = f"p = {c['p']}, {c['d_model']}/{c['d_mlp']}, D = {c['D']}, {case['runs']} runs, {threads} thread"
            rate = f"{case['fraction_of_matmul_rate']['realnet']:.2f}"
            rows.append((name + "s" * (threads > 1), between(case["ratio"]), rate))
    head = ("case", "against the faster plain loop, per run-step", "of the matrix-product rate")
    about = (
        f"Both sides with the same threads; {env['processor']}, {env['cores']} cores, torch {env['versions']['torch']}, "
        f"on a quiet machine at commit {env['commit'][:7]}."
    )
    return f"{table(head, rows)}\n\n{about}"


def scale() -> str:
    """What a folder of many runs costs."""
    found = load("scale_realnet")
    runs = found["runs"]
    each = {
        "config and key": (found["seconds to make the configs"] + found["seconds to make their keys"]) / runs,
        "reading the list": found["seconds to read the list"] / runs,
        "seeing that a run is finished": found["seconds a run to see that it is finished"],
        "a claim": found["seconds a claim, given back"],
        "reading its curves": found["seconds a run to read its curves"],
        "writing it when finished": found["seconds a run to write it when finished, twice"],
    }
    start = 1e5 * sum(list(each.values())[:3])
    collect = 1e5 * (each["reading the list"] + each["reading its curves"])
    many = f"At 10⁵ runs{'' if runs >= 1e5 else ' (extrapolated)'}"
    return (
        f"What a folder of {runs} runs costs, in milliseconds of a processor for each: "
        f"{', '.join(f'{name} {1000 * value:.2f}' for name, value in each.items())}.\n{many} a start that finds them all "
        f"finished takes {start:.0f} s a process and collecting {collect:.0f} s. That would be\nfelt first, and `shard` and "
        f"`collect=False` avoid both."
    )


BLOCKS: dict[str, Callable[[], str]] = {
    block.__name__: block for block in (hero, findings, verdicts, thumbnails, numbers, speed, networks, scale, gallery)
}


def render(text: str) -> str:
    """`text` with every marked block written anew.  ValueError for a block that nothing writes."""
    for name in re.findall(r"<!-- begin: (\S+) -->", text):
        if name not in BLOCKS:
            raise ValueError(f"a block must be one of {', '.join(BLOCKS)}; got {name!r}. Name one of them.")
        pattern = rf"(<!-- begin: {name} -->\n).*?(<!-- end: {name} -->)"
        content = BLOCKS[name]()
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
