"""figures.page: the report says everything that was judged, in one file, without a number that is not one."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from figures.__main__ import main
from figures.page import html
from figures.paths import Paths
from validate.verdicts import load

VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Checks that tags close in order; gathers text, ids and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [str(about["id"])] if "id" in about else []
        self.links += [str(about["href"])] if "href" in about else []
        self.sources += [str(about["src"])] if "src" in about else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data + " "


@pytest.fixture(scope="module")
def read() -> Reader:
    """The page of the saved study."""
    reader = Reader()
    reader.feed(html(load(Paths().saved("verdicts.json")), Paths().gallery))
    assert reader.open == []
    return reader


def test_every_prediction_has_a_section_and_every_link_leads_somewhere(read: Reader) -> None:
    judged = load(Paths().saved("verdicts.json"))
    assert len(read.ids) == len(set(read.ids))
    for verdict in judged.verdicts:
        assert verdict.id in read.ids
        assert read.words.count(verdict.claim) >= 2  # the table and the section
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)


def test_the_page_needs_nothing_else(read: Reader) -> None:
    assert all(source.startswith("data:image/png;base64,") for source in read.sources)
    assert len(read.sources) >= 8
    assert all(link.startswith("#") for link in read.links)


def test_no_number_is_missing_in_the_readers_face(read: Reader) -> None:
    assert not re.search(r"\b(nan|None|null|inf)\b", read.words)


def test_a_refuted_number_is_said_to_be_wrong(read: Reader) -> None:
    refuted = [
        f.criterion.name
        for verdict in load(Paths().saved("verdicts.json")).verdicts
        for column in verdict.columns.values()
        for f in column.findings
        if f.verdict == "refuted"
    ]
    wrong = read.words.split("What the theory gets wrong")[1].split("All predictions")[0]
    assert refuted
    assert all(criterion in wrong for criterion in refuted)


def test_the_page_wants_a_judged_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["page", str(tmp_path)]) == 2
    assert "Make it: python -m validate report" in capsys.readouterr().err


def test_a_page_without_figures_is_whole(tmp_path: Path) -> None:
    content = json.loads(Paths().saved("verdicts.json").read_text(encoding="utf-8"))
    (tmp_path / "verdicts.json").write_text(json.dumps(content))
    reader = Reader()
    reader.feed(html(load(tmp_path / "verdicts.json"), tmp_path))
    assert reader.sources == []
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.ids)


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_in_a_browser_nothing_runs_off_the_side_and_every_picture_is_there(
    width: int, height: int, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install -e '.[browser]'")
    if browser is None:
        pytest.skip("no browser: apt-get install chromium")
    page = tmp_path / "report.html"
    page.write_text(html(load(Paths().saved("verdicts.json")), Paths().gallery), encoding="utf-8")
    with api.sync_playwright() as play:
        started = play.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        view = started.new_page(viewport={"width": width, "height": height})
        asked: list[str] = []
        view.on("request", lambda request: asked.append(request.url))
        view.goto(page.as_uri())
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        assert view.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 300)")
        # Text is readable: no body text below 12 pixels.
        sizes = (
            "[...document.querySelectorAll('p, td, li, figcaption')].map(e => parseFloat(getComputedStyle(e).fontSize))"
        )
        assert min(view.evaluate(sizes)) >= 12
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
        started.close()
