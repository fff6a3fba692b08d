"""One vocabulary for toy and real runs, and its criteria: README 7.

Performance is an accuracy where there is a spread over inputs, and 1 - loss / ln q otherwise: 1 is perfect, and chance
is 1/q and 0 respectively.  "Since" times are the first time a condition holds for good, that is to the end of the run;
nan where it does not hold at the end.  Measured curves are noisy: `since` says what they may do and still hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .parameters import FloatArray, check, check_axis, real

Bools = npt.NDArray[np.bool_]

COMPREHENSION, GROKKING, MEMORISATION, UNGROKKING = "comprehension", "grokking", "memorisation", "ungrokking"
SEMI_GROKKING, SEMI_COMPREHENSION = "semi-grokking", "semi-comprehension"
COLLAPSE, CONFUSION, UNFINISHED, FAILED = "collapse", "confusion", "unfinished", "failed"

MEANINGS = {
    COMPREHENSION: "generalises, with t_gen <= 2 t_fit",
    GROKKING: "generalises, with t_gen > 2 t_fit",
    SEMI_GROKKING: "fits; test performance leaves chance after 2 t_fit and settles between chance and 0.9",
    SEMI_COMPREHENSION: "fits; test performance leaves chance by 2 t_fit and settles between chance and 0.9",
    MEMORISATION: "fits; test performance ends at chance",
    UNGROKKING: "generalises at first (or at some time), not in the end",
    COLLAPSE: "generalises at some time; in the end it does not even fit",
    CONFUSION: "neither fits nor generalises",
    UNFINISHED: "still on its way to another behaviour when the run ends: censored",
    FAILED: "the integration did not succeed; no behaviour is claimed",
}
BEHAVIOURS = tuple(MEANINGS)

# Where a run stands: the coarse states that behaviours are told from.
UNFIT, CHANCE, BETWEEN, GENERAL = range(4)


@dataclass(frozen=True)
class Criteria:
    """Where the vocabulary draws its lines (README 7).  Defaults are the project's; every output states them.

    fit_accuracy    train accuracy at which a real run has fitted
    performance     performance at which a run generalises, and a toy run has fitted: accuracy 0.9, or loss 0.1 ln q
    delay           a run groks if t_gen > delay × t_fit
    chance_margin   performance above chance that counts as having left it
    level           change of performance still to come that counts as level, and fall below a line that counts as noise
    dip             share of the time gone by for which a measured run may fall below a line that it has passed
    """

    fit_accuracy: float = 0.99
    performance: float = 0.9
    delay: float = 2.0
    chance_margin: float = 0.05
    level: float = 0.02
    dip: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            number = real(value)
            low, high = (1.0, np.inf) if name == "delay" else (0.0, 0.5 if name == "chance_margin" else 1.0)
            if number is None or not (low < number < high or number == low == 1.0):
                raise (TypeError if number is None else ValueError)(
                    f"{name} must be a number with {low:g} {'<=' if low else '<'} {name} < {high:g}, got {value!r}. Choose "
                    f"a value in that range."
                )


def standing(fits: Bools, performance: FloatArray, chance: FloatArray, criteria: Criteria) -> npt.NDArray[np.int_]:
    """UNFIT, CHANCE, BETWEEN or GENERAL, elementwise."""
    conditions = [performance >= criteria.performance, ~fits, performance > chance + criteria.chance_margin]
    return np.select(conditions, [GENERAL, UNFIT, BETWEEN], CHANCE)


def classify(
    end: npt.NDArray[np.int_], settled: Bools, t_fit: FloatArray, t_gen: FloatArray, t_leave: FloatArray,
    ever_generalised: Bools, criteria: Criteria,
) -> npt.NDArray[np.str_]:  # fmt: skip
    """Names of behaviours, elementwise.

    end        where the run stands at its end (`standing`)
    settled    whether it will stay there
    t_fit, t_gen, t_leave   since when it fits, generalises, is off chance
    """
    with np.errstate(invalid="ignore"):
        conditions = [
            ~settled,
            (end == UNFIT) & ever_generalised,
            end == UNFIT,
            (end == GENERAL) & (t_gen > criteria.delay * t_fit),
            end == GENERAL,
            ever_generalised,
            end == CHANCE,
            t_leave > criteria.delay * t_fit,
        ]
    names = [UNFINISHED, COLLAPSE, CONFUSION, GROKKING, COMPREHENSION, UNGROKKING, MEMORISATION, SEMI_GROKKING]
    return np.select(conditions, names, SEMI_COMPREHENSION)


def since(time: FloatArray, curve: FloatArray, line: float, criteria: Criteria) -> float:
    """First of `time` (k,) at which `curve` (k,) has passed `line` for good; nan if it is not past it at the end.

    A measured curve is noisy, so that "for good" bears dips.  Past the line a run stays past it, unless it falls more than
    `criteria.level` below it, and not for one measurement alone but for longer than a share `criteria.dip` of the time
    that has gone by.  What holds at the end is what most of the last measurements say (`_late`).
    """
    low = curve < line - criteria.level
    if np.median(curve[_late(time, criteria)]) < line - criteria.level:
        return float("nan")
    edges = np.flatnonzero(np.diff(low, prepend=False, append=False))
    first, last = edges[::2], edges[1::2] - 1  # of every stretch below
    lost = last[time[last] > (1.0 + criteria.dip) * time[first]]
    start = lost[-1] + 1 if lost.size else 0
    past = np.flatnonzero(curve[start:] >= line)
    return float(time[start + past[0]]) if past.size else float("nan")


def _late(time: FloatArray, criteria: Criteria) -> slice:
    """The measurements that say how a run ends: its last share `criteria.dip` of time, and at least three."""
    return slice(min(int(np.searchsorted(time, (1.0 - criteria.dip) * time[-1])), max(time.size - 3, 0)), None)


def _level(time: FloatArray, curve: FloatArray, lines: Sequence[float], criteria: Criteria) -> bool:
    """Whether a measured curve rests: a run has no known limit, so that its second half has to say.

    The medians of its last five tenths differ by no more than `criteria.level`, and the last two measurements do not agree
    that it has just crossed one of `lines`.
    """
    share = time / time[-1] + 1e-10
    tenth = np.where(share >= 0.5, np.maximum(np.ceil(10.0 * share - 2e-9), 6), 0)  # the middle is of the second half
    medians = [np.median(curve[tenth == k]) for k in range(6, 11) if np.any(tenth == k)]
    rests = len(medians) > 1 and np.ptp(medians) <= criteria.level
    return bool(rests and not any(_crossing(time, curve, line, criteria) for line in lines))


def _crossing(time: FloatArray, curve: FloatArray, line: float, criteria: Criteria) -> bool:
    """Whether the last two measurements are on the other side of the line than the run's end as a whole."""
    low = line - criteria.level
    past = np.median(curve[_late(time, criteria)]) >= low
    return bool(np.all(curve[-2:] < low) if past else np.all(curve[-2:] >= line))


@dataclass(frozen=True)
class Reading:
    """What measured curves say.  t_fit, t_gen: since when the run has fitted, and generalises; nan: not at the end."""

    behaviour: str
    t_fit: float
    t_gen: float


def read_curves(
    train: tuple[FloatArray, FloatArray], test: tuple[FloatArray, FloatArray], chance: float, criteria: Criteria
) -> Reading:
    """The definition behind `classify_curves`, for curves (times, accuracies) that were not measured at the same times."""
    if min(train[0].size, test[0].size) < 2 or min(train[0][0], test[0][0]) < 0:
        raise ValueError(
            f"a run must be measured twice or more, at steps from 0 on, got train accuracy at {train[0]} and test accuracy "
            f"at {test[0]}. Pass the curves of one run."
        )
    lines = (criteria.performance, chance + criteria.chance_margin)
    if lines[0] <= lines[1]:
        raise ValueError(
            f"chance must lie more than chance_margin = {criteria.chance_margin:g} below the accuracy at which a run "
            f"generalises, {criteria.performance:g}, got {chance:g}. Pass criteria=toymodel.Criteria(performance=...)."
        )
    t_fit = since(*train, criteria.fit_accuracy, criteria)
    t_gen, t_leave = (since(*test, line, criteria) for line in lines)
    end = GENERAL if t_gen == t_gen else UNFIT if t_fit != t_fit else CHANCE if t_leave != t_leave else BETWEEN
    # A run that generalises for good has shown what it does; only its last digits may still move.
    shown = np.median(test[1][_late(test[0], criteria)]) >= lines[0] and not _crossing(*test, lines[0], criteria)
    settled = shown or (_level(*train, (criteria.fit_accuracy,), criteria) and _level(*test, lines, criteria))
    good = test[1] >= criteria.performance
    ever = good[0] or bool(np.any(good[1:] & good[:-1]))  # one measurement alone may be noise, but for the first
    a, b, c, d, e, f = (np.array([x]) for x in (end, settled, t_fit, t_gen, t_leave, ever))
    return Reading(str(classify(a, b, c, d, e, f, criteria)[0]), t_fit, t_gen)


def classify_curves(
    time: npt.ArrayLike, train_accuracy: npt.ArrayLike, test_accuracy: npt.ArrayLike, num_classes: int | None = None,
    criteria: Criteria | None = None, *, chance: float | None = None,
) -> str:  # fmt: skip
    """The behaviour of one measured run, by the same vocabulary.

    time            (k,) rising steps or flow times
    train_accuracy, test_accuracy   (k,) in [0, 1]
    num_classes     q: chance is 1/q
    chance          accuracy of a guess, where classes are not equally frequent; instead of num_classes

    "Since" bears noise, by the rule of `toymodel.behaviours.since`: one dip renames no run.  A measured run has no known
    limit; it counts as settled where neither accuracy drifts by more than `criteria.level` in the second half of the run.
    ValueError for curves that are empty, of unequal length, not finite or not in [0, 1].

    >>> classify_curves([1, 10, 100, 1000, 2000], [0.2, 1, 1, 0.985, 1], [0, 0, 0.1, 0.95, 0.98], num_classes=113)
    'grokking'
    """
    if (num_classes is None) == (chance is None):
        raise TypeError(
            f"one of num_classes and chance must be given, got num_classes={num_classes!r} and chance={chance!r}. Pass "
            f"num_classes=113, or chance=0.75 where the commonest class is that frequent."
        )
    level = check("accuracy", chance, "chance") if num_classes is None else 1.0 / check("num_classes", num_classes)
    t = check_axis("t_end", time, "time")
    remedy = "Divide per cent by 100; drop a measurement that is missing from all three curves."
    train, test = (
        check_axis("accuracy", values, name, remedy)
        for name, values in (("train_accuracy", train_accuracy), ("test_accuracy", test_accuracy))
    )
    if not (t.size >= 2 and t.shape == train.shape == test.shape):
        raise ValueError(
            f"time and both accuracies must be of one length >= 2, got shapes {t.shape}, {train.shape} and {test.shape}. "
            f"Pass the curves of one run."
        )
    if not np.all(np.diff(t) > 0):
        at = int(np.argmin(np.diff(t) > 0))
        raise ValueError(f"time must rise, got {t[at]:g}, then {t[at + 1]:g}. Sort all three curves by time.")
    return read_curves((t, train), (t, test), level, as_criteria(criteria)).behaviour


def as_criteria(criteria: Criteria | None) -> Criteria:
    """The project's for None; TypeError for what are no criteria."""
    if criteria is not None and not isinstance(criteria, Criteria):
        raise TypeError(
            f"criteria must be toymodel.Criteria, got {criteria!r}. Pass toymodel.Criteria(performance=...), or leave it "
            f"out for the defaults."
        )
    return criteria or Criteria()
