"""One figure to its files: PNG, SVG, PDF and caption.  Same inputs, same bytes; a kill leaves the old files."""

import hashlib
import importlib.util
import io
import json
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from .catalogue import reads, source, title
from .paths import Paths
from .study import Study

# Enough to check a claim by, few enough to be the same on every machine.
DIGITS = 4
# What matplotlib would write into a file of each kind, left out.
METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
# Bytes above which a PNG is packed smaller; the gallery is kept in git.
LARGE = 190_000
COLOURS, FRAME_MS, REST_MS = 32, 120, 3000
"""Of animations: colours, milliseconds of a frame and of the last one"""


def package_version() -> str:
    """Version of two-circuits."""
    try:
        return version("two-circuits")
    except PackageNotFoundError:
        return "not installed"


def load(paths: Paths, name: str) -> ModuleType:
    """The figure's module, read anew from its file."""
    file = source(paths, name)
    module_name = ".".join(("figures", *file.relative_to(paths.source).with_suffix("").parts))
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec is not None  # catalogue names Python files only
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rounded(value: Any) -> Any:
    """`value` as plain JSON: numbers to DIGITS significant digits, nan as null (missing is missing, not 0)."""
    if isinstance(value, dict):
        return {str(key): rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if not np.isfinite(value):
            return None if np.isnan(value) else str(value)
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() and abs(short) < 1e7 else short
    return value


def caption(name: str, heading: str, template: str, numbers: dict[str, Any]) -> bytes:
    """The caption file: text with the computed numbers in it, the numbers, where the runs are from, which versions."""
    values = rounded(numbers)
    content = {
        "figure": name,
        "title": heading,
        "caption": " ".join(template.format(**values).split()),
        "source": values.pop("source", ""),
        "numbers": values,
        "two_circuits_version": package_version(),
        "matplotlib_version": matplotlib.__version__,
        "numpy_version": np.__version__,
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def picture(fig: Figure, kind: str) -> bytes:
    """The figure as bytes of a PNG, SVG or PDF, free of dates and of the names of programs."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format=kind, metadata=METADATA[kind])
    return smaller(buffer.getvalue()) if kind == "png" and buffer.tell() > LARGE else buffer.getvalue()


def animation(frames: list[bytes]) -> bytes:
    """PNGs of one size as a GIF that runs for ever and rests at its end."""
    from PIL import Image

    pictures = [Image.open(io.BytesIO(frame)).convert("RGB") for frame in frames]
    # One palette for all, from the last, which has every colour.
    palette = pictures[-1].quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    drawn = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    buffer = io.BytesIO()
    times = [FRAME_MS] * (len(drawn) - 1) + [REST_MS]
    drawn[0].save(buffer, "gif", save_all=True, append_images=drawn[1:], duration=times, loop=0, optimize=True)
    return buffer.getvalue()


def smaller(png: bytes) -> bytes:
    """The picture without its alpha channel, and if that is not enough with a palette of 256 colours."""
    from PIL import Image

    opaque = Image.open(io.BytesIO(png)).convert("RGB")
    for drawing in (opaque, opaque.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)):
        buffer = io.BytesIO()
        drawing.save(buffer, format="png", optimize=True)
        if buffer.tell() <= LARGE:
            break
    return buffer.getvalue()


def _frames(module: ModuleType, study: Study, number: int) -> list[bytes]:
    """The figure at equal steps of its time."""
    import matplotlib.pyplot as plt

    frames = []
    for k in range(1, number + 1):
        fig, _ = module.draw(study, k / number)
        buffer = io.BytesIO()
        fig.savefig(buffer, format="png", dpi=110, metadata=METADATA["png"])
        plt.close(fig)
        frames.append(buffer.getvalue())
    return frames


def write_whole(file: Path, content: bytes) -> None:
    """Writes under a temporary name and renames, so that a kill leaves the old file or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.part")
    temporary.write_bytes(content)
    os.replace(temporary, file)


def digest(file: Path) -> str:
    """Hash of a file's content, "" if there is none."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def render(paths: Paths, name: str) -> dict[str, str]:
    """Draws figure `name` and writes all its files; hashes of them by kind.

    FileNotFoundError for a missing saved result.  ValueError if the figure does not say how many runs it shows.
    """
    import matplotlib.pyplot as plt

    with plt.rc_context(fname=paths.style):
        module, study = load(paths, name), Study(paths.data)
        fig, numbers = module.draw(study) if reads(paths, name) else module.draw()
        numbers = study.about() | numbers
        if "n" not in numbers:
            raise ValueError(f"draw() of figure {name} must return how many runs it shows as n, got {sorted(numbers)}.")
        try:
            content = {kind: picture(fig, kind) for kind in METADATA}
            if "gif" in paths.targets(name):
                content["gif"] = animation(_frames(module, study, module.FRAMES))
        finally:
            plt.close(fig)
    content["json"] = caption(name, title(paths, name), module.CAPTION, numbers)
    # All is drawn before anything is written: the files of a figure belong together.
    for kind, file in paths.targets(name).items():
        write_whole(file, content[kind])
    return {kind: digest(file) for kind, file in paths.targets(name).items()}
