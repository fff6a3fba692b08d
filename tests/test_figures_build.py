"""figures: every figure builds, what is stale is told by content, and a killed build leaves the old picture."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from figures import render as rendering
from figures.__main__ import main
from figures.catalogue import ORDER, chosen, inputs, names, source, title
from figures.paths import HERE, Paths
from figures.render import render
from figures.tasks import _absent, build

matplotlib.use("agg")

FIGURES = names(Paths())
DRAWN = [name for name in FIGURES if not _absent(Paths(), name)]
# A figure that costs next to nothing, with a helper, a data file and a number in its caption.
SOURCE = '''"""A line.

Claim: it is straight.
"""

import matplotlib.pyplot as plt

from .slope import SLOPE

DATA = ("points.json",)
CAPTION = "Slope {slope}, n = {n}."


def draw(study):
    fig, axes = plt.subplots(figsize=(1, 1))
    axes.plot([0, 1], [0, SLOPE])
    return fig, {"n": 1, "slope": SLOPE}
'''


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A workshop of its own with one figure, `line`."""
    paths = Paths(**{folder: tmp_path / folder for folder in ("source", "model", "data", "gallery", "build")})
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
        assert "Claim:" in source(Paths(), name).read_text()
        assert "Source:" in source(Paths(), name).read_text()


def test_the_gallery_has_an_order_and_every_figure_a_place_in_it() -> None:
    assert [name for name in ORDER if name in FIGURES] == FIGURES


def _words(caption: str) -> int:
    return len(caption.split())


def test_gallery_holds_the_figures_and_nothing_else() -> None:
    gallery = Paths().gallery
    assert sorted(file.stem for file in gallery.glob("*.png")) == sorted(DRAWN)
    assert sorted(file.stem for file in gallery.glob("*.json")) == sorted(DRAWN)
    for file in gallery.glob("*.png"):
        assert file.stat().st_size < 200_000, file.name


def _near(ours: object, theirs: object) -> bool:
    """Equal but for the last digits of numbers, which differ between processors."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_near(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_near, ours, theirs))
    if isinstance(ours, str) and isinstance(theirs, str):
        number = r"[-+−]?\d[\d.]*(?:e[-+]?\d+)?"
        found = [[float(x.replace("−", "-").rstrip(".")) for x in re.findall(number, text)] for text in (ours, theirs)]
        return re.sub(number, "#", ours) == re.sub(number, "#", theirs) and _near(*found)
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return ours == pytest.approx(theirs, rel=0.02, abs=1e-8)
    return ours == theirs


@pytest.mark.parametrize("name", DRAWN)
def test_every_figure_builds_and_the_gallery_is_what_it_draws(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(gallery=tmp_path / "gallery", build=tmp_path / "build")
    # Of what moves, three frames.
    animate = rendering._frames
    monkeypatch.setattr(rendering, "_frames", lambda module, study, _: animate(module, study, 3))
    render(paths, name)
    written = contents(paths, name)
    assert written["png"].startswith(b"\x89PNG")
    assert b"<svg" in written["svg"]
    assert written["pdf"].startswith(b"%PDF")
    drawn, kept = (json.loads(folder.targets(name)["json"].read_text()) for folder in (paths, Paths()))
    for part in ("title", "caption", "source", "numbers"):
        assert _near(drawn[part], kept[part]), (
            f"{part} of {name} in the gallery is older than its sources: make figures"
        )
    assert drawn["numbers"]["n"] >= 1
    assert _words(drawn["caption"]) <= 80
    assert not any(word in drawn["caption"] for word in ("{", "None", "nan"))
    pixels, gallery = (
        np.asarray(Image.open(folder.targets(name)["png"]).convert("L"), float) for folder in (paths, Paths())
    )
    assert pixels.shape == gallery.shape
    assert np.abs(pixels - gallery).mean() < 4.0, f"the gallery's {name} is another picture: make figures"


@pytest.mark.parametrize("name", ["staircase", "semi_grokking"])
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


def test_what_figures_share_is_an_input_and_what_runs_the_build_is_none() -> None:
    found = {file.relative_to(HERE) for file in inputs(Paths(), "lu_forecast") if file.is_relative_to(HERE)}
    assert {Path("rivals/lu_forecast.py"), Path("rivals/tasks.py"), Path("lines.py"), Path("render.py")} <= found
    assert not {Path("tasks.py"), Path("catalogue.py")} & found


def test_a_star_stands_for_any_saved_result_that_is_there(shop: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    (shop.source / "line.py").write_text(SOURCE.replace("CAPTION =", 'ALSO = ("*/more.json",)\nCAPTION =', 1))
    build(paths=shop)
    (shop.data / "late").mkdir()
    (shop.data / "late" / "more.json").write_text("[]")
    assert shop.data / "late" / "more.json" in inputs(shop, "line")
    build(paths=shop)
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


def test_a_figure_whose_runs_are_not_there_is_left_out_with_a_sentence(
    shop: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop.data / "points.json").unlink()
    (shop.source / "other.py").write_text(SOURCE.replace("points.json", "more.json"))
    (shop.data / "more.json").write_text("[]")
    assert build(paths=shop) == 0
    said = capsys.readouterr().out
    assert f"left out line: there is no data/points.json in {shop.data}" in said
    assert "1 drawn, 0 up to date" in said
    assert not shop.targets("line")["png"].exists()
    # Asked for by name, it is a failure.
    assert build(["line"], paths=shop) == 1


def test_any_folder_of_runs_can_be_shown_in_any_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs, out = tmp_path / "runs", tmp_path / "pictures"
    (runs / "base").mkdir(parents=True)
    saved = Paths().data.parent / "standard" / "base"
    for kind in ("scratch", "ungrokking", "ungrokking_coupled"):
        (runs / "base" / f"{kind}.nc").write_bytes((saved / f"{kind}.nc").read_bytes())
    before = {file: file.read_bytes() for file in Paths().gallery.iterdir()}
    assert main(["build", "behaviours", "semi_grokking", "--data", str(runs), "--out", str(out)]) == 0
    assert {file.name for file in out.glob("*.png")} == {"behaviours.png", "semi_grokking.png"}
    assert main(["build", "long_run", "--data", str(runs), "--out", str(out)]) == 1
    assert f"left out long_run: there is no long/scratch.nc in {runs}" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in Paths().gallery.iterdir()} == before
    assert main(["build", "--data", str(tmp_path / "nowhere")]) == 2
    assert "--data must be a folder of runs" in capsys.readouterr().err


def test_an_unknown_name_is_refused_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "stair_case"]) == 2
    error = capsys.readouterr().err
    assert "got 'stair_case'. Did you mean 'staircase'?" in error
    assert all(name in error for name in FIGURES)
    with pytest.raises(ValueError, match="figure must be one of"):
        chosen(Paths(), ["nothing like it"])


def test_figures_need_no_torch() -> None:
    code = (
        "import sys, figures.tasks, figures.catalogue as c, figures.render as r\n"
        "p = figures.paths.Paths()\n"
        "[r.load(p, name) for name in c.names(p)]\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Paths().source.parent)
    assert done.returncode == 0, done.stderr
