"""Where everything is.  A `Paths` can point elsewhere: to the runs of another study, or to a folder of a test's own."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAVED = HERE.parent / "validate" / "data"
"""Results kept with the project"""
OTHERS = ("omnigrok", "paper", "realnet")
"""Folders beside the study: the rival theory's, the paper's own protocol, realnet's reference runs"""
ANIMATED = ("hero",)
"""Figures that move: `draw(study, share)` of their time, in FRAMES steps"""


@dataclass(frozen=True)
class Paths:
    """Folders of the figures.

    data      saved runs that figures read, <setting>/<kind>.nc, and what was judged, verdicts.json; the rival theory's,
              omnigrok/..., are there too, or the project's own where `data` is
    gallery   pictures and captions
    build     vector pictures and the record of what was built
    source    one file a figure, the style, and what figures share
    model     toymodel's source: a change in it makes every figure stale
    """

    data: Path = SAVED / "standard"
    gallery: Path = HERE / "gallery"
    build: Path = HERE.parent / "build" / "figures"
    source: Path = HERE
    model: Path = HERE.parent / "toymodel"

    @property
    def style(self) -> Path:
        """The one style sheet."""
        return self.source / "style.mplstyle"

    @property
    def record(self) -> Path:
        """doit's database: what each picture was made from."""
        return self.build / "record.json"

    def saved(self, name: str) -> Path:
        """A saved result: of one of OTHERS, which lie beside the study that is shown, or of that study.

        A study of the rival theory is shown as both.
        """
        other, _, rest = name.partition("/")
        if other == "omnigrok" and self.data != type(self)().data:
            return self.data / rest
        return (SAVED if other == "realnet" else self.data.parent if other in OTHERS else self.data) / name

    def targets(self, name: str) -> dict[str, Path]:
        """The files of figure `name`, by kind."""
        folders = {"png": self.gallery, "json": self.gallery, "svg": self.build, "pdf": self.build}
        folders |= {"gif": self.gallery} if name in ANIMATED else {}
        return {kind: folder / f"{name}.{kind}" for kind, folder in folders.items()}
