"""Theory against theory: where circuit efficiency and Omnigrok speak, what came out, which runs tell them apart.

Claim: where the circuit-efficiency theory and Omnigrok are right, wrong or silent on the same runs; they are counted against
one another only where one affirms what the other denies.
Source: validate/README.md, which says of each rule when it was stated.
"""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from validate.rivals import THEORIES, score_rows, scorecard

from ..palette import GREY, VERDICTS
from ..study import Study
from ..verdicts import typeset

DATA = ("omnigrok/verdicts.json", "omnigrok/teacher/free.nc")
ALSO = ("verdicts.json",)
LOOKS = {"right": ("o", "confirmed"), "wrong": ("X", "refuted"), "open": ("o", "inconclusive")}
BOTH = "between both"

CAPTION = """
Every prediction with its verdict and how each theory comes off: right, wrong, or open where it says yes or no but
nothing is decided; words where it allows either or is silent. Bars mark the predictions that one theory affirms and the
other denies: {apart}. On these, right, wrong and open: circuit efficiency {score_0}; Omnigrok {score_1}. n = {n} runs.
"""


def draw(study: Study) -> tuple[Figure, dict[str, object]]:
    """Two columns of predictions, each with verdict and both theories."""
    own = study.folder / "verdicts.json"
    paper = study.verdicts.judged if own.exists() else study.rival.judged
    # A study of the rival theory is both.
    sources = [study.rival.judged] if paper.words == study.rival.judged.words else [paper, study.rival.judged]
    verdicts = [v for judged in sources for v in judged.verdicts]
    rows = {row["prediction"]: row for row in scorecard(verdicts)}
    runs = {v.id: ", ".join(v.prediction.experiments) for v in verdicts}
    halves = [[r for id, r in rows.items() if id.startswith(letter)] for letter in "PO"]
    halves = [half for half in halves if half]
    words = {id: typeset(row["claim"]) for id, row in rows.items()}
    tall = {id: 2.4 + 0.8 * text.count("\n") for id, text in words.items()}
    height = max(sum(tall[row["prediction"]] for row in half) for half in halves)
    fig, panels = plt.subplots(1, len(halves), figsize=(3.5 * len(halves), 0.9 + 0.115 * height), squeeze=False)
    for axes, half in zip(panels[0], halves, strict=True):
        y = 0.0
        for theory, x in zip(THEORIES, (0.76, 0.93), strict=True):
            axes.text(x, -1.2, theory.replace(" ", "\n"), ha="center", va="bottom", fontsize=6, fontweight="bold")
        for k, row in enumerate(half):
            id, verdict = row["prediction"], row["verdict"]
            if k % 2 == 0:
                axes.axhspan(y - 0.9, y + tall[id] - 0.9, color="0.965", lw=0, zorder=0)
            axes.text(0.0, y, id, fontsize=6.5, fontweight="bold", va="center")
            axes.text(0.09, y, verdict, fontsize=6.5, va="center", color=VERDICTS.get(verdict, GREY))
            axes.text(0.0, y + 0.7, words[id], fontsize=5.2, va="top", linespacing=1.0)
            for own, theory, x in zip(score_rows([row]), THEORIES, (0.76, 0.93), strict=True):
                came = next((name for name in LOOKS if own[name]), row[theory])
                if came in LOOKS:
                    mark, colour = LOOKS[came][0], VERDICTS[LOOKS[came][1]]
                    axes.plot(x, y + 0.7, mark, ms=5, color=colour, mfc="w" if came == "open" else colour)
                else:
                    axes.text(x, y + 0.7, came, fontsize=5.6, color="0.55", ha="center", va="center")
            if row["decides"] == BOTH:
                axes.plot([-0.03, -0.03], [y - 0.6, y + tall[id] - 1.2], color="0.3", lw=2.2, solid_capstyle="butt")
            y += tall[id]
        axes.set(xlim=(-0.05, 1.02), ylim=(height - 0.9, -3.2))
        axes.set_axis_off()
    handles = [Line2D([], [], ls="", marker=m, ms=5, color=VERDICTS[v], mfc="w" if name == "open" else VERDICTS[v],
                      label=name) for name, (m, v) in LOOKS.items()]  # fmt: skip
    handles.append(Line2D([], [], color="0.3", lw=2.2, label="tells the two apart"))
    fig.legend(handles=handles, loc="outside lower center", ncols=4)
    apart = [row for row in rows.values() if row["decides"] == BOTH]
    scores = {f"score_{k}": ", ".join(str(own[name]) for name in LOOKS) for k, own in enumerate(score_rows(apart))}
    return fig, scores | {
        "n": sum(judged.runs for judged in sources),
        "apart": "; ".join(f"{row['prediction']} ({runs[row['prediction']]})" for row in apart) or "none",
    }
