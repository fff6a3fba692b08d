"""The report: one HTML file that needs nothing else, from `verdicts.data` and the results behind it.

In this order: what was judged on which data, the score, the verdict table, a section a prediction, the rival
explanations, what the theory gets wrong, further tables, how to repeat it. It knows no single prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from realnet.records import write_atomically
from validate.drawing import Plot, draw
from validate.markup import badge, definitions, figure, findings_table, measured, note, rows_table, text, word
from validate.measured import MissingResult, Results
from validate.plots import PLOTS
from validate.prediction import CONFIRMED, REFUTED
from validate.rivals import EXPLANATIONS, IDS, READING, Explanation, survivors
from validate.verdicts import region_words, score, words

__all__ = ["html", "write"]

TITLE = "The two-circuit theory of grokking on trial"
READ = """A verdict follows from a rule fixed in code before the runs. Each number has a 95 % interval over seeds and a
region that the claim puts it in: confirmed if the whole interval lies inside the region, refuted if wholly outside,
inconclusive otherwise, or with too few seeds, or if more than a third of the runs that bear on it are censored, that is
still moving when they ended. A prediction is confirmed if all its numbers are, and refuted if one of them is. In the
drawings the region is blue, the bar is the interval, its mark the estimate: a disc is confirmed, a cross refuted, a ring
inconclusive."""
COMMANDS = """make demo                                    # sets up .venv and runs the quick profile
python -m validate list                      # what is predicted, before any run
python -m validate run --profile {profile}"""


def _listed(values: list[str]) -> str:
    return ", ".join(text(v) for v in values) or "not recorded"


def _versions(values: list[str]) -> str:
    return _listed([v.strip("{}").replace('"', "") for v in values])


def _commit(name: str) -> str:
    return name[:12] + (" with changes" if name.endswith("+") else "")


def _about(data: Mapping[str, Any]) -> str:
    p = data["provenance"]
    unfinished = data["runs"] - data["finished"] - data["diverged"]
    states = [f"{data['runs']} runs, {data['finished']} of them finished"]
    states += [f"{n} {what}" for n, what in ((data["diverged"], "diverged"), (unfinished, "not finished")) if n]
    experiments = ", ".join(f"{e['name']} ({e['finished']} of {e['runs']})" for e in data["experiments"])
    return definitions(
        [
            ("profile", text(data["profile"])),
            ("data", "; ".join(states)),
            ("experiments", text(f"{experiments}; finished of those trained")),
            ("of the profile, not trained", _listed(data["untrained"]) if data["untrained"] else "nothing"),
            ("trained on", f"{_listed(p['device'])} ({_listed(p['processor'])}), {_listed(p['dtype'])}"),
            ("date of the runs", _listed(p["date"])),
            (
                "commit of the runs",
                _listed([c[:12] + ("+ (changed since)" if c.endswith("+") else "") for c in p["commit"]]),
            ),
            ("versions", f"Python {_listed(p['python'])}; {_versions(p['versions'])}"),
        ]
    )


def _score(data: Mapping[str, Any]) -> str:
    counts = score(data)
    parts = [f'<span class="{v}"><b>{n}</b> {v}</span>' for v, n in counts.items()]
    return f'<p class="label">Verdicts on {sum(counts.values())} predictions:</p><p class="score">{"".join(parts)}</p>'


def _figure(p: Mapping[str, Any], results: Results | None, drawn: dict[Plot, str]) -> str:
    """The prediction's figure, or where it stands if it was drawn before, or why it is not there."""
    plot = PLOTS.get(p["id"])
    if plot is None or results is None:
        return ""
    if plot in drawn:
        return f'<p>Its figure is that of <a href="#figure-{drawn[plot]}">{drawn[plot]}</a>.</p>'
    try:
        picture, caption = draw(plot, p, results)
    except MissingResult as error:
        return f"<p>No figure: {text(error)}</p>"
    drawn[plot] = p["id"]
    return figure(p["id"], picture, caption, f"{p['id']}: {p['claim']}")


def _prediction(p: Mapping[str, Any], results: Results | None, drawn: dict[Plot, str]) -> str:
    rules = "".join(
        f"<li>{text(c['criterion'])} <b>{text(region_words(c))}</b>"
        f"{'' if c['unit'] in ('1', '') else ' ' + text(c['unit'])}, at least {c['least_seeds']} seeds"
        f"{': ' + text(c['why']) if c['why'] else ''}</li>"
        for c in p["criteria"]
    )
    found = "".join(
        f"<li>{text(f['criterion'])}: {measured(f)}: {word(f['verdict'])}. {note(f)}</li>" for f in p["findings"]
    )
    controls = "".join(
        f"<li>{text(c['name'])}: {measured(c)}{', by the same rule ' + word(c['verdict']) if c.get('verdict') else ''}. "
        f"{note(c)}</li>"
        for c in p["controls"]
    )
    parts = [
        f'<section class="prediction {p["verdict"]}" id="{text(p["id"])}">',
        f"<h2>{text(p['id'])} {text(p['claim'])}</h2><p>{badge(p['verdict'])}</p>",
        definitions([(k, text(p[k])) for k in ("source", "observable", "statistic")]),
        f"<h3>Predicted before the runs</h3><ul>{rules}</ul>",
        "<h3>Measured</h3>",
        f"<ul>{found}</ul>" if found else f"<p>Nothing: {text(p['missing'] or 'no number was returned')}</p>",
        f"<h3>Controls, which decide nothing</h3><ul>{controls}</ul>" if controls else "",
        f"<h3>Remarks</h3><ul>{''.join(f'<li>{text(r)}</li>' for r in p['remarks'])}</ul>" if p["remarks"] else "",
        _figure(p, results, drawn),
        *(rows_table(f"{p['id']}, {title}", rows) for title, rows in p["tables"].items() if rows),
        "</section>",
    ]
    return "".join(parts)


def _stance(says: str, verdict: str) -> str:
    """A stance, with a sign once the verdict is for it or against it."""
    right = {"predicts": CONFIRMED, "opposite": REFUTED}.get(says)
    if right is None or verdict not in (CONFIRMED, REFUTED):
        return says
    kind, sign = (CONFIRMED, "✓") if verdict == right else (REFUTED, "✗")
    return f'<span class="word {kind}">{sign} {says}</span>'


def _reasons(explanation: Explanation) -> str:
    """Stances with one reason for several predictions on one line."""
    same: dict[tuple[str, str, str], list[str]] = {}
    for id_, stance in explanation.stances.items():
        same.setdefault((explanation.reading(id_), *stance), []).append(id_)
    items = (
        f"<li>{', '.join(ids)}: <b>{says}</b>: {text(reason)} ({text(whose)})</li>"
        for (whose, says, reason), ids in same.items()
    )
    return f"<h3>{text(explanation.name)}</h3><ul>{''.join(items)}</ul>"


def _rivals(data: Mapping[str, Any]) -> str:
    verdicts = words(data)
    lines = []
    for e, row in zip(EXPLANATIONS, survivors(verdicts), strict=True):
        kind = row["standing"] if row["standing"] in ("contradicted", "untested") else "standing"
        against = f"; against it: {', '.join(row['against'])}" if row["against"] else ""
        lines.append(
            f'<tr><td><a href="{text(e.link)}">{text(e.name)}</a><div class="small">{text(e.source)}</div></td>'
            f'<td><span class="word {kind}">{row["standing"]}</span></td>'
            f"<td>{row['agree']} of {row['decided']} decided{against}</td><td>{row['committed']} of {len(IDS)}</td></tr>"
        )
    head = "".join(f"<th>{text(e.name)}</th>" for e in EXPLANATIONS)
    body = "".join(
        f"<tr><td><b>{i}</b></td><td>{word(verdicts[i]) if i in verdicts else 'not judged'}</td>"
        + "".join(f"<td>{_stance(e.stances[i].says, verdicts.get(i, ''))}</td>" for e in EXPLANATIONS)
        + "</tr>"
        for i in IDS
    )
    return (
        f'<h2 id="rivals">Rival explanations</h2><p>{text(READING)}</p>'
        "<table><thead><tr><th>explanation</th><th>standing</th><th>agrees with</th><th>commits itself to</th></tr>"
        f"</thead><tbody>{''.join(lines)}</tbody></table>"
        "<p>An explanation is contradicted by a refuted prediction that it makes, or by a confirmed one of which it says "
        "the opposite. A refuted prediction agrees with whoever says the opposite, whatever refuted it. Not contradicted is "
        "not confirmed: to be silent is safe.</p>"
        f'<div class="scroll"><table><thead><tr><th></th><th>verdict</th>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"</div><details><summary>Reason of each stance</summary>{''.join(_reasons(e) for e in EXPLANATIONS)}</details>"
    )


def _wrong(data: Mapping[str, Any]) -> str:
    """Every refuted number, in full."""
    items = [
        f'<li><a href="#{text(p["id"])}"><b>{text(p["id"])}</b></a> {text(p["claim"].rstrip("."))}. '
        f"{text(f['criterion'])}: predicted "
        f"<b>{text(region_words(f))}</b>, measured {measured(f)}; {note(f)}. {word(f['verdict'])}</li>"
        for p in data["predictions"]
        for f in p["findings"]
        if f["verdict"] == REFUTED
    ]
    body = f"<ul>{''.join(items)}</ul>" if items else "<p>No number was refuted on these data.</p>"
    return f'<h2 id="wrong">What the theory gets wrong</h2>{body}'


def html(data: Mapping[str, Any], results: Results | None = None) -> str:
    """The page. Without `results` it has no figures."""
    drawn: dict[Plot, str] = {}
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    sections = "".join(_prediction(p, results, drawn) for p in data["predictions"])
    further = "".join(
        rows_table(title, rows) for title, rows in data["tables"].items() if rows and "Rival" not in title
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{TITLE}</title><style>{style}</style></head><body>"
        f"<h1>{TITLE}</h1>{_about(data)}{_score(data)}"
        f'<h2 id="verdicts">Verdicts</h2>{findings_table(data["predictions"])}<p class="small">{text(READ)}</p>'
        f"{sections}{_rivals(data)}{_wrong(data)}"
        + (f'<h2 id="further">Further results</h2>{further}' if further else "")
        + f'<h2 id="repeat">How to repeat it</h2><pre>{escape(COMMANDS.format(profile=data["profile"]))}</pre>'
        "</body></html>\n"
    )


def write(path: Path | str, data: Mapping[str, Any], results: Results | None = None) -> Path:
    """Write the page to `path`; a kill leaves the old file or the new one. Errors: StorageError."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = html(data, results)
    write_atomically(path, lambda name: Path(name).write_text(content, encoding="utf-8"))
    return path
