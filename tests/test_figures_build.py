"""figures: every figure builds, what is stale is told by content, and a killed build leaves the old picture."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

from figures import render as rendering
from figures.__main__ import main
from figures.catalogue import chosen, inputs, names, title
from figures.paths import Paths
from figures.render import render
from figures.tasks import build

matplotlib.use("agg")

FIGURES = names(Paths())
# A figure that costs next to nothing, with a helper, a data file and a number in its caption.
SOURCE = '''"""A line.

Claim: it is straight.
"""

import matplotlib.pyplot as plt

from .slope import SLOPE

DATA = {"points.json": "make data"}
CAPTION = "Slope {slope}, n = {n}."


def draw():
    fig, axes = plt.subplots(figsize=(1, 1))
    axes.plot([0, 1], [0, SLOPE])
    return fig, {"n": 1, "slope": SLOPE}
'''


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workshop of its own with one figure, `line`."""
    paths = Paths(*(tmp_path / folder for folder in ("source", "model", "data", "gallery", "build")))
    for folder in (paths.source, paths.model, paths.data):
        folder.mkdir()
    paths.style.write_text(Paths().style.read_text())
    (paths.model / "losses.py").write_text("LOSS = 1\n")
    (paths.data / "points.json").write_text("[]\n")
    (paths.source / "slope.py").write_text("SLOPE = 2.0\n")
    (paths.source / "line.py").write_text(SOURCE)
    # The figure's relative imports look into the package, so the helper is shown to it there.
    import figures

    monkeypatch.setattr(figures, "__path__", [*figures.__path__, str(paths.source)])
    monkeypatch.delitem(sys.modules, "figures.slope", raising=False)
    yield paths
    sys.modules.pop("figures.slope", None)


def contents(paths: Paths, name: str = "line") -> dict[str, bytes]:
    return {kind: file.read_bytes() for kind, file in paths.targets(name).items()}


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.strip().splitlines()[-1]


def test_every_figure_has_a_docstring_and_the_list_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == FIGURES
    assert len(FIGURES) >= 10
    for name in FIGURES:
        assert title(Paths(), name).endswith(".")
        assert "Claim:" in (Paths().source / f"{name}.py").read_text()
        assert "Source:" in (Paths().source / f"{name}.py").read_text()


def test_gallery_holds_the_figures_and_nothing_else() -> None:
    gallery = Paths().gallery
    assert sorted(file.stem for file in gallery.glob("*.png")) == FIGURES
    assert sorted(file.stem for file in gallery.glob("*.json")) == FIGURES
    for file in gallery.glob("*.png"):
        assert file.stat().st_size < 200_000, file.name


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_builds(name: str, tmp_path: Path) -> None:
    paths = Paths(gallery=tmp_path / "gallery", build=tmp_path / "build")
    render(paths, name)
    written = contents(paths, name)
    assert written["png"].startswith(b"\x89PNG")
    assert b"<svg" in written["svg"]
    assert written["pdf"].startswith(b"%PDF")
    caption = json.loads(written["json"])
    assert caption["numbers"]["n"] >= 1
    assert "{" not in caption["caption"]
    assert "None" not in caption["caption"]


@pytest.mark.parametrize("name", ["staircase", "three_ingredients_all"])
def test_rebuilding_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    first, second = (Paths(gallery=tmp_path / k / "gallery", build=tmp_path / k / "build") for k in "ab")
    render(first, name)
    render(second, name)
    assert contents(first, name) == contents(second, name)


def test_a_second_build_does_nothing_and_says_so(shop: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(paths=shop) == 0
    assert last_line(capsys) == "1 drawn, 0 up to date"
    assert build(paths=shop) == 0
    assert last_line(capsys) == "nothing to do: 1 of 1 figures up to date"
    assert build(paths=shop, force=True) == 0
    assert last_line(capsys) == "1 drawn, 0 up to date"


def test_a_new_date_is_no_change(shop: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    build(paths=shop)
    for file in inputs(shop, "line"):
        if file.is_relative_to(shop.source.parent):
            os.utime(file, (1, 1))
    build(paths=shop)
    assert last_line(capsys).startswith("nothing to do")


@pytest.mark.parametrize("place", ["line.py", "slope.py", "style.mplstyle", "losses.py", "points.json"])
def test_new_content_with_an_old_date_is_a_change(shop: Paths, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    build(paths=shop)
    (file,) = [file for file in inputs(shop, "line") if file.name == place and file.is_relative_to(shop.source.parent)]
    before = file.stat()
    file.write_text(file.read_text() + "\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    build(paths=shop)
    assert last_line(capsys) == "1 drawn, 0 up to date"


@pytest.mark.parametrize("kind", ["png", "json", "svg", "pdf"])
def test_a_lost_or_foreign_output_is_made_again(shop: Paths, kind: str) -> None:
    build(paths=shop)
    before = contents(shop)
    shop.targets("line")[kind].unlink()
    build(paths=shop)
    assert contents(shop) == before
    shop.targets("line")[kind].write_bytes(b"from another checkout")
    build(paths=shop)
    assert contents(shop) == before


def test_a_damaged_record_is_started_anew(shop: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    build(paths=shop)
    shop.record.write_text(shop.record.read_text()[:20])
    assert build(paths=shop) == 0
    assert last_line(capsys) == "1 drawn, 0 up to date"


def test_a_killed_build_leaves_the_old_picture(shop: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    build(paths=shop)
    before = contents(shop)
    (shop.source / "line.py").write_text(SOURCE.replace("[0, SLOPE]", "[0, 3 * SLOPE]"))

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rendering.os, "replace", kill)
        with pytest.raises(KeyboardInterrupt):
            render(shop, "line")
    assert contents(shop) == before
    assert build(paths=shop) == 0
    assert contents(shop) != before


def test_a_figure_that_fails_leaves_the_old_picture_and_does_not_stop_the_others(
    shop: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    build(paths=shop)
    before = contents(shop)
    (shop.source / "line.py").write_text(SOURCE.replace("return fig,", "raise ArithmeticError('no'); return fig,"))
    (shop.source / "other.py").write_text(SOURCE)
    assert build(paths=shop) != 0
    assert last_line(capsys) == "1 drawn, 0 up to date, 1 failed"
    assert contents(shop) == before


def test_a_missing_result_names_the_command_that_makes_it(shop: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    (shop.data / "points.json").unlink()
    assert build(paths=shop) != 0
    assert "line needs points.json, which is not in data/. Make it: make data" in capsys.readouterr().out


def test_an_unknown_name_is_refused_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "stair_case"]) == 2
    error = capsys.readouterr().err
    assert "got 'stair_case'. Did you mean 'staircase'?" in error
    assert all(name in error for name in FIGURES)
    with pytest.raises(ValueError, match="figure must be one of"):
        chosen(Paths(), ["nothing like it"])


def test_figures_need_no_torch_and_no_sibling_but_toymodel() -> None:
    code = (
        "import sys, figures.tasks, figures.catalogue as c, figures.render as r\n"
        "p = figures.paths.Paths()\n"
        "[r.load(p, name) for name in c.names(p)]\n"
        "bad = {'torch', 'realnet', 'validate'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Paths().source.parent)
    assert done.returncode == 0, done.stderr
