"""Figures measure nothing: what turns saved runs into a number is validate's, and only its reader opens them."""

import ast
from pathlib import Path

import pytest

from figures.paths import HERE

# Fits, crossings, interpolation, classification, and opening of netCDF.
FORBIDDEN = {
    "polyfit", "lstsq", "curve_fit", "least_squares", "minimize", "brentq", "root_scalar", "linregress", "interp",
    "interp1d", "searchsorted", "isotonic_regression", "crossing", "classify_curves", "open_dataset", "load_dataset",
    "open_mfdataset",
}  # fmt: skip
PACKAGES = {"scipy", "netCDF4", "h5py", "statsmodels", "sklearn"}
# A figure of the toy model alone reads no runs, and the writer of the READMEs is no figure.
FILES = sorted(file for file in HERE.rglob("*.py") if file.parent != HERE / "toy" and file.name != "readme.py")


def measures(text: str) -> set[str]:
    """What a file does of what is forbidden."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            found |= {name} & FORBIDDEN
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names} & PACKAGES
        elif isinstance(node, ast.ImportFrom):
            found |= ({(node.module or "").split(".")[0]} & PACKAGES) | (
                {alias.name for alias in node.names} & FORBIDDEN
            )
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(HERE).as_posix())
def test_a_figure_of_networks_measures_nothing(file: Path) -> None:
    assert not measures(file.read_text(encoding="utf-8")), "measure it in validate, and call that"


@pytest.mark.parametrize(
    "line",
    [
        "np.polyfit(x, y, 1)",
        "from numpy import interp",
        "from scipy import optimize",
        "tm.classify_curves(t, a, b, 43)",
        "from validate.statistics.thresholds import crossing",
        "with xr.open_dataset(path) as ds: pass",
    ],
)
def test_a_measurement_is_seen(line: str) -> None:
    assert measures(line)


def test_there_are_figures_to_look_at() -> None:
    assert len(FILES) > 25
