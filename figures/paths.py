"""Where everything is.  A `Paths` can point elsewhere, which is how the tests build in a folder of their own."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROFILE = "standard"
"""Which profile's runs and verdicts the figures of real networks show: data/validate/<profile>"""


@dataclass(frozen=True)
class Paths:
    """Folders of the figures.

    source    one file a figure, the style, and what figures share
    model     toymodel's source: a change in it makes every figure stale
    data      saved results that figures read
    gallery   pictures and captions, kept in git
    build     vector pictures and the record of what was built, not kept in git
    """

    source: Path = HERE
    model: Path = HERE.parent / "toymodel"
    data: Path = HERE / "data"
    gallery: Path = HERE / "gallery"
    build: Path = HERE.parent / "build" / "figures"

    @property
    def style(self) -> Path:
        """The one style sheet."""
        return self.source / "style.mplstyle"

    @property
    def record(self) -> Path:
        """doit's database: what each picture was made from."""
        return self.build / "record.json"

    def targets(self, name: str) -> dict[str, Path]:
        """The files of figure `name`, by kind."""
        return {
            "png": self.gallery / f"{name}.png",
            "json": self.gallery / f"{name}.json",
            "svg": self.build / f"{name}.svg",
            "pdf": self.build / f"{name}.pdf",
        }
