"""READMEs say what their sources say, `readme --check` tells, and the README's example runs."""

import doctest
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from figures import readme
from figures.__main__ import main
from figures.study import Study
from validate.__main__ import STUDY
from validate.measured import Results
from validate.prediction import judge
from validate.verdicts import load


def test_readmes_are_what_their_program_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["readme", "--check"]) == 0, capsys.readouterr().err


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A README with a block, as its sources say."""
    (tmp_path / "README.md").write_text("before\n<!-- begin: numbers -->\nold\n<!-- end: numbers -->\nafter\n")
    assert readme.update(root=tmp_path) == 0
    return tmp_path


def test_check_passes_what_was_just_written_and_names_what_was_changed(
    house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert readme.update(check=True, root=house) == 0
    file = house / "README.md"
    good = file.read_text()
    assert good.startswith("before\n")
    assert good.endswith("after\n")
    assert "old" not in good
    changed = re.sub(r"\d", "7", good, count=1)
    file.write_text(changed)
    assert readme.update(check=True, root=house) == 1
    assert "not what the sources say: README.md. Run: python -m figures readme" in capsys.readouterr().err
    assert file.read_text() == changed  # --check writes nothing
    readme.update(root=house)
    assert file.read_text() == good


def test_check_sees_a_changed_source(house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results"
    results.mkdir()
    for file in readme.RESULTS.glob("*.json"):
        (results / file.name).write_bytes(file.read_bytes())
    found = json.loads((results / "toymodel.json").read_text())
    found["throughput"]["ratio_all_cores"]["median"] = 123456.0
    (results / "toymodel.json").write_text(json.dumps(found))
    monkeypatch.setattr(readme, "RESULTS", results)
    assert readme.update(check=True, root=house) == 1
    readme.update(root=house)
    assert "1.23e+05" in (house / "README.md").read_text()


def test_a_block_that_nothing_writes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a block must be one of .*gallery.*; got 'galery'"):
        readme.render("<!-- begin: galery -->\n<!-- end: galery -->")


def test_the_gallery_is_in_the_papers_order() -> None:
    text = (readme.HERE / "README.md").read_text(encoding="utf-8")
    numbers = [int(n) for n in re.findall(r"^## .*\(paper, figure (\d)\)", text, re.MULTILINE)]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) >= 6
    pictures = re.findall(r"\]\(gallery/(\w+)\.png\)", text)
    assert sorted(pictures) == sorted(file.stem for file in readme.GALLERY.glob("*.png"))


def test_thumbnails_lead_to_headings_of_the_gallery() -> None:
    text = (readme.HERE / "README.md").read_text(encoding="utf-8")
    anchors = set(re.findall(r'<a id="(\w+)"></a>', text))
    front = (readme.ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\(figures/README.md#([^)]+)\)", front)
    assert len(links) >= 6
    assert set(links) <= anchors


def test_a_template_that_quotes_what_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readme, "TEMPLATES", tmp_path)
    name = "wrong"
    for text in (
        "{{ study.P99.number() }}",
        "{{ study.P3.number(7) }}",
        "{{ study.P3.column().number('x') }}",
        "{{ study.P3.verdcit }}",
    ):
        (tmp_path / f"{name}.md").write_text(text)
        with pytest.raises((LookupError, UndefinedError)):
            readme.render("<!-- begin: wrong -->\n<!-- end: wrong -->")


def test_a_number_on_a_readme_is_that_of_the_verdicts_with_its_caveat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readme, "TEMPLATES", tmp_path)
    name = "one"
    (tmp_path / f"{name}.md").write_text("{{ study.P5.number() }}; {{ study.P7.number() | factor }}")
    text = readme.render("<!-- begin: one -->\n<!-- end: one -->")
    judged = load(STUDY / "verdicts.json")
    saved = {id: judged[id].column().findings[0].estimate for id in ("P5", "P7")}
    assert str(saved["P5"]) in text
    assert f"{saved['P5'].basis.moving} of {saved['P5'].basis.runs} still moving" in text
    assert f"{math.exp(saved['P7'].value):.3g} (" in text


def test_the_front_page_is_short() -> None:
    lines = (readme.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 150
    assert not [line for line in lines if len(line) > (300 if line.startswith("|") else 120)]


def test_the_front_pages_example_prints_what_it_says() -> None:
    failed, tried = doctest.testfile(str(readme.ROOT / "README.md"), module_relative=False, encoding="utf-8")
    assert tried >= 4
    assert not failed


def example(room: str, heading: str) -> str:
    """The first block of Python after a text of a room's README."""
    text = (readme.ROOT / room / "README.md").read_text(encoding="utf-8").partition(heading)[2]
    return text.partition("```python\n")[2].partition("\n```")[0]


def test_the_prediction_that_the_readme_adds_is_judged() -> None:
    made: dict[str, Any] = {}
    exec(example("validate", "## Adding a prediction"), made)
    verdict = judge(made["P20"], Results(STUDY))
    assert verdict.verdict == "confirmed"


def test_the_figure_that_the_readme_adds_is_drawn() -> None:
    made: dict[str, Any] = {"__package__": "figures.networks"}
    exec(example("figures", "A figure of your own"), made)
    picture, numbers = made["draw"](Study(STUDY))
    assert picture.axes[0].lines
    assert numbers["n"] > 100
    assert made["CAPTION"].strip().format(**numbers)
