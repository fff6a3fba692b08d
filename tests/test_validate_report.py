"""Verdicts to JSON, Markdown, terminal and HTML, on made-up verdicts and made-up runs."""

import json
import math
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from validate import forest, plots, report, rivals, summary, terminal, verdicts
from validate.drawing import Plot, draw
from validate.intervals import Interval
from validate.measured import MissingResult, Results
from validate.prediction import Criterion, Estimate, Measurement, Prediction, Verdict, judge

NAN, INF = math.nan, math.inf


def made_up(id_: str, *findings: tuple[Criterion, Interval], remarks: tuple[str, ...] = ()) -> Verdict:
    """The verdict that `judge` gives on numbers chosen here."""
    estimates = {c.name: Estimate(i, runs=24, censored=3, note="a < b & c") for c, i in findings}
    tables = {"rows": [{"dataset_size": np.int64(90), "unseen": np.float32(0.5), "settled": np.bool_(True), "t": NAN}]}
    controls = {"the same, coupled": Estimate(Interval(0.1, -INF, INF, 3), 12)}
    measurement = Measurement(estimates, controls, tables, remarks)
    prediction = Prediction(
        id_,
        f"Claim of {id_} | with <marks>.",
        "a source",
        "an observable",
        "a statistic",
        ("base/scratch",),
        tuple(c for c, _ in findings),
        lambda results: measurement,
    )
    return judge(prediction, None)  # type: ignore[arg-type]


def missing(id_: str) -> Verdict:
    """Of a prediction whose runs are not there."""

    def measure(results: Results) -> Measurement:
        raise MissingResult("experiment 'base/scratch' must be among the saved results")

    criterion = Criterion("a number", "1", 0.0, 1.0)
    return judge(Prediction(id_, "Never run.", "s", "o", "t", ("base/scratch",), (criterion,), measure), None)  # type: ignore[arg-type]


VERDICTS = [
    made_up("P1a", (Criterion("slope", "1", -0.1, 0.1, "a margin"), Interval(0.02, -0.05, 0.08, 5))),
    made_up("P2", (Criterion("width", "ln pairs", high=1.1), Interval(2.0, 1.5, 2.5, 5)), remarks=("Mind the gap.",)),
    made_up(
        "P3",
        (Criterion("a difference", "1", -0.14, 0.14), Interval(0.1, -0.3, 0.5, 5)),
        (Criterion("the other", "1", low=0.9), Interval(NAN, -INF, INF, 0)),
    ),
    missing("P4"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Ungrokking runs, two sizes × two weight decays × two seeds; nothing else is there."""
    folder = tmp_path_factory.mktemp("runs") / "quick"
    sizes, decays, seeds, steps = [90, 280], [0.5, 1.0], [0, 1], np.arange(0, 1100, 100)
    axes = {"dataset_size": sizes, "weight_decay": decays, "seed": seeds}
    shape = (2, 2, 2, len(steps))
    configs, keys = {}, np.empty(shape[:3], dtype="<U8")
    for at in np.ndindex(*shape[:3]):
        keys[at] = key = f"run-{at[0]}{at[1]}{at[2]}"
        configs[key] = {name: values[i] for (name, values), i in zip(axes.items(), at, strict=True)}
        configs[key] |= {"task": "add", "p": 43, "steps": 1000, "d_model": 64, "n_layers": 1}
    fall = np.linspace(1.0, 0.1, len(steps)) ** np.array([4.0, 0.02])[:, None]
    unseen = np.broadcast_to(fall[:, None, None, :], shape)
    light = ("dataset_size", "weight_decay", "seed", "light_step")
    full = ("dataset_size", "weight_decay", "seed", "step")
    names = ("gen_share", "gen_logit", "mem_logit", "effective_weight_decay", "homogeneity", "norm")
    ds = xr.Dataset(
        {
            "status": (light[:3], np.full(shape[:3], "finished")),
            "key": (light[:3], keys),
            "light_train_accuracy": (light, np.ones(shape)),
            "light_unseen_accuracy": (light, unseen),
            "light_removed_accuracy": (light, unseen),
            "light_train_loss": (light, np.full(shape, 1e-3)),
            "light_unseen_loss": (light, np.ones(shape)),
            "light_norm": (light, np.full(shape, 20.0)),
            **{name: (full, np.ones((2, 2, 2, 3))) for name in names},
        },
        coords=axes | {"light_step": steps, "step": [1, 10, 1000]},
        attrs={"configs": json.dumps(configs), "commit": "0123456789abcdef", "device": "cpu", "date": "2026-01-02"},
    )
    (folder / "base").mkdir(parents=True)
    ds.to_netcdf(folder / "base" / "ungrokking.nc", engine="netcdf4")
    return Results(folder)


@pytest.fixture(scope="module")
def content(results: Results) -> dict:
    tables = {"Matching": [{"setting": "base", "kappa": 5.1}, {"setting": "w-32", "skill": -INF}]}
    return verdicts.data(VERDICTS, results, tables)


@pytest.fixture(scope="module")
def page(content: dict, results: Results) -> str:
    return report.html(content, results)


def test_verdicts_survive_the_file(content: dict, tmp_path: Path) -> None:
    path = verdicts.save(tmp_path / "verdicts.json", content)
    assert verdicts.load(path) == content
    assert path.read_bytes() == verdicts.save(tmp_path / "again.json", verdicts.load(path)).read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_the_file_is_json_and_says_what_is_missing(content: dict, tmp_path: Path) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = verdicts.save(tmp_path / "verdicts.json", content).read_text()
    found = json.loads(text, parse_constant=refuse)
    other = found["predictions"][2]["findings"][1]
    assert other["value"] is None
    assert other["interval"] == ["-inf", "inf"]
    assert [verdicts.number(x) for x in other["interval"]] == [-INF, INF]
    assert math.isnan(verdicts.number(other["value"]))
    assert found["predictions"][0]["tables"]["rows"] == [
        {"dataset_size": 90, "unseen": 0.5, "settled": True, "t": None}
    ]
    assert "base/scratch" in found["predictions"][3]["missing"]


def test_the_data_speak_for_their_date_and_place(content: dict) -> None:
    assert content["profile"] == "quick"
    assert (content["runs"], content["finished"], content["diverged"]) == (8, 8, 0)
    assert content["provenance"]["commit"] == ["0123456789abcdef"]
    assert content["provenance"]["date"] == ["2026-01-02"]
    assert content["provenance"]["versions"] == []


def test_what_json_has_no_place_for_is_an_error() -> None:
    with pytest.raises(TypeError, match="Convert it where the table is made"):
        verdicts.plain({"a": object()})


@pytest.mark.parametrize("text", ['{"format": 0}', "[]"])
def test_another_file_is_not_taken_for_verdicts(tmp_path: Path, text: str) -> None:
    (tmp_path / "verdicts.json").write_text(text)
    with pytest.raises(ValueError, match="must have format"):
        verdicts.load(tmp_path / "verdicts.json")
    with pytest.raises(FileNotFoundError, match="python -m validate run"):
        verdicts.load(tmp_path / "nowhere.json")


def test_score_and_verdicts_are_those_of_the_judge(content: dict) -> None:
    assert verdicts.score(content) == {"confirmed": 1, "refuted": 1, "inconclusive": 2}
    assert verdicts.words(content) == {v.prediction.id: v.verdict for v in VERDICTS}


def test_markdown_is_one_table_with_every_number(content: dict) -> None:
    lines = summary.table(content).splitlines()
    columns = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    assert columns == [6] * len(lines)
    assert len(lines) == 2 + 5
    assert "**refuted**" in lines[3]
    assert "2 ln pairs (1.5 to 2.5, n\u00a0=\u00a05)" in lines[3]


@pytest.mark.parametrize("colour", [True, False])
def test_terminal_table_fits_and_is_coloured_only_if_asked(content: dict, colour: bool) -> None:
    text = terminal.table(content, colour=colour)
    assert ("\x1b[" in text) == colour
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert max(map(len, plain.splitlines())) <= 110
    for verdict in VERDICTS:
        assert re.search(rf"^{verdict.prediction.id} +\S {verdict.verdict.upper()}", plain, re.MULTILINE)
    assert "1 confirmed, 1 refuted, 2 inconclusive" in plain


def test_terminal_is_plain_where_nobody_looks(content: dict) -> None:
    assert "\x1b" not in terminal.table(content)


def test_listing_states_every_rule_and_fits() -> None:
    text = terminal.listing(v.prediction for v in VERDICTS)
    assert max(map(len, text.splitlines())) <= 110
    assert "slope within [-0.1, 0.1], ≥ 3 seeds: a margin" in text
    assert text.count("source ") == len(VERDICTS)


class Checker(HTMLParser):
    """Every element closed in its turn, no id twice, nothing fetched."""

    VOID = ("meta", "img", "br", "rect", "line", "circle", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if "id" in found:
            self.ids.append(str(found["id"]))
        if tag == "a":
            self.links.append(str(found["href"]))
        else:
            assert "href" not in found
        assert tag not in ("script", "link", "iframe", "object")
        assert str(found.get("src", "data:")).startswith("data:")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_well_formed_and_needs_nothing_else(page: str) -> None:
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert {link[1:] for link in checker.links if link.startswith("#")} <= set(checker.ids)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_page_has_every_prediction_verdict_and_interval(page: str, content: dict) -> None:
    text = unescape(page)
    for p in content["predictions"]:
        assert f'<section class="prediction {p["verdict"]}" id="{p["id"]}">' in page
        assert p["claim"] in text
        for f in p["findings"]:
            # In the verdict table and in its section.
            assert text.count(f"<b>{verdicts.interval_words(f)}</b>") >= 2
    assert "Mind the gap." in page
    assert "base/scratch" in page
    assert "Matching (2 rows)" in page
    assert rivals.READING in text


def test_what_is_refuted_is_told_once_more_in_full(page: str) -> None:
    wrong = page[page.index('id="wrong"') :]
    wrong = wrong[: wrong.index("<h2", 1)]
    assert 'href="#P2"' in wrong
    assert "#P1a" not in wrong
    assert "<b>below 1.1</b>" in wrong


def test_page_is_the_same_bytes_again_and_is_written_whole(content: dict, results: Results, tmp_path: Path) -> None:
    first = report.write(tmp_path / "report.html", content, results).read_bytes()
    assert report.write(tmp_path / "report.html", content, Results(results.folder)).read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_figures_that_two_predictions_share_are_drawn_once(page: str) -> None:
    assert page.count("data:image/svg+xml") == 1
    assert 'Its figure is that of <a href="#figure-P2">P2</a>' in page
    assert "No figure: experiment" in page  # P1a and P4 lack their runs


@pytest.mark.parametrize("plot", list(dict.fromkeys(plots.PLOTS.values())), ids=lambda plot: plot.__name__)
def test_runs_that_are_still_training_make_no_figure_and_no_crash(results: Results, tmp_path: Path, plot: Plot) -> None:
    ds = results.dataset("base/ungrokking").copy(deep=True)
    ds["status"][:] = "running"
    (tmp_path / "base").mkdir()
    for name in ("ungrokking", "scratch", "memorising"):
        ds.to_netcdf(tmp_path / "base" / f"{name}.nc", engine="netcdf4")
    with pytest.raises(MissingResult, match="Train on: python -m validate run"):
        draw(plot, {}, Results(tmp_path))


def test_report_needs_no_results_and_no_known_prediction(results: Results) -> None:
    odd = made_up("Q99", (Criterion("x", "1", low=0.0), Interval(1.0, 0.5, 1.5, 3)))
    text = report.html(verdicts.data([odd], results))
    assert 'id="Q99"' in text
    assert "No number was refuted" in text


@pytest.mark.parametrize("id_", ["P2", "P6"])
def test_captions_say_how_many(results: Results, id_: str) -> None:
    svg, caption = draw(plots.PLOTS[id_], {}, results)
    assert svg.startswith(b"<?xml")
    assert "n = " in caption
    assert "{" not in caption


def test_plots_are_of_known_predictions() -> None:
    assert set(plots.PLOTS) <= set(rivals.IDS)


@pytest.mark.parametrize(
    "interval", [(0.0, 0.0, 0.0), (1.0, -INF, INF), (INF, 2.0, INF), (NAN, NAN, NAN), (5.0, NAN, NAN)]
)
@pytest.mark.parametrize("region", [(-INF, 0.0), (0.0, INF), (-1.0, 1.0)])
def test_any_interval_can_be_drawn(interval: tuple[float, ...], region: tuple[float, float]) -> None:
    value, low, high = interval
    verdict = made_up("P1", (Criterion("x", "1", *region), Interval(value, low, high, 3)))
    finding = verdicts.plain(verdicts._finding(verdict.findings[0]))
    drawn = forest.svg(finding)
    assert ("<svg" in drawn) == (not math.isnan(value))
    assert "nan" not in drawn
    assert not re.search(r'(x\d?|cx|width)="[^"]*inf', drawn)


def test_every_explanation_has_a_reasoned_stance_on_every_prediction() -> None:
    for explanation in rivals.EXPLANATIONS:
        assert tuple(explanation.stances) == rivals.IDS
        assert explanation.source
        for stance in explanation.stances.values():
            assert stance.says in rivals.STANCES
            assert len(stance.reason) > 10


def test_stances_on_the_papers_predictions_are_its_authors() -> None:
    by_name = {e.name.split()[0]: {i: s.says for i, s in e.stances.items()} for e in rivals.EXPLANATIONS}
    assert {i: by_name["difficulty"][i] for i in ("P1a", "P2", "P3", "P4")} == {
        "P1a": "silent", "P2": "opposite", "P3": "opposite", "P4": "silent",
    }  # fmt: skip
    assert {by_name["slingshots"][i] for i in rivals.AUTHORS} == {"silent"}
    assert by_name["random"]["P4"] == "opposite"
    assert by_name["simplicity"]["P4"] == "allows"
    assert all(e.reading("P4") != e.reading("P5") for e in rivals.EXPLANATIONS)


def test_a_stance_without_a_reason_is_an_error() -> None:
    with pytest.raises(ValueError, match="a reason for each of"):
        rivals._explanation("x", "y", "z", {" ".join(rivals.IDS): ("silent", "")})


def standing(outcome: dict[str, str]) -> dict[str, str]:
    return {row["explanation"].split()[0]: row["standing"] for row in rivals.survivors(outcome)}


def test_nothing_decided_leaves_all_untested() -> None:
    assert set(standing({}).values()) == {"untested"}
    assert set(standing({"P2": "inconclusive", "Q7": "confirmed"}).values()) == {"untested"}


def test_confirmed_ungrokking_contradicts_those_that_say_the_opposite() -> None:
    found = standing({"P2": "confirmed"})
    assert found["difficulty"] == found["random"] == "contradicted"
    assert found["two"] == found["simplicity"] == "not contradicted"
    assert found["slingshots"] == found["scale"] == "untested"


def test_refuted_predictions_contradict_those_that_make_them() -> None:
    rows = {row["explanation"].split()[0]: row for row in rivals.survivors({"P3": "refuted", "P5": "confirmed"})}
    assert rows["two"]["standing"] == "contradicted"
    assert rows["two"]["against"] == ["P3"]
    assert (rows["two"]["agree"], rows["two"]["decided"]) == (1, 2)
    assert rows["difficulty"]["standing"] == "not contradicted"
    assert rows["scale"]["standing"] == "not contradicted"
    assert rows["slingshots"]["standing"] == "untested"
