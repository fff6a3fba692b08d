"""One vocabulary for toy and real runs, and its criteria: README 7.

Performance is an accuracy where there is a spread over inputs, and 1 - loss / ln q otherwise: 1 is perfect, and chance
is 1/q and 0 respectively.  "Since" times are the first time a condition holds for good, that is to the end of the run;
nan where it does not hold at the end.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .parameters import FloatArray, check, check_axis, real

Bools = npt.NDArray[np.bool_]

COMPREHENSION, GROKKING, MEMORISATION, UNGROKKING = "comprehension", "grokking", "memorisation", "ungrokking"
SEMI_GROKKING, SEMI_COMPREHENSION = "semi-grokking", "semi-comprehension"
CONFUSION, UNFINISHED, FAILED = "confusion", "unfinished", "failed"

MEANINGS = {
    COMPREHENSION: "generalises, with t_gen <= 2 t_fit",
    GROKKING: "generalises, with t_gen > 2 t_fit",
    SEMI_GROKKING: "fits; test performance leaves chance after 2 t_fit and settles between chance and 0.9",
    SEMI_COMPREHENSION: "fits; test performance leaves chance by 2 t_fit and settles between chance and 0.9",
    MEMORISATION: "fits; test performance ends at chance",
    UNGROKKING: "generalises at first (or at some time), not in the end",
    CONFUSION: "never fits",
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
    level           change of performance still to come that counts as level
    """

    fit_accuracy: float = 0.99
    performance: float = 0.9
    delay: float = 2.0
    chance_margin: float = 0.05
    level: float = 0.02

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
    return np.select(
        [~fits, performance >= criteria.performance, performance > chance + criteria.chance_margin],
        [UNFIT, GENERAL, BETWEEN],
        CHANCE,
    )


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
            end == UNFIT,
            (end == GENERAL) & (t_gen <= criteria.delay * t_fit),
            end == GENERAL,
            ever_generalised,
            end == CHANCE,
            t_leave > criteria.delay * t_fit,
        ]
    names = [UNFINISHED, CONFUSION, COMPREHENSION, GROKKING, UNGROKKING, MEMORISATION, SEMI_GROKKING]
    return np.select(conditions, names, SEMI_COMPREHENSION)


def since(time: FloatArray, condition: Bools) -> float:
    """First of `time` (k,) from which `condition` (k,) holds to the end; nan if it does not hold at the end."""
    if not condition[-1]:
        return float("nan")
    broken = np.flatnonzero(~condition)
    return float(time[broken[-1] + 1 if broken.size else 0])


def classify_curves(
    time: npt.ArrayLike, train_accuracy: npt.ArrayLike, test_accuracy: npt.ArrayLike, num_classes: int,
    criteria: Criteria | None = None,
) -> str:  # fmt: skip
    """The behaviour of one measured run, by the same vocabulary.

    time (k,) rising steps or flow times; train_accuracy and test_accuracy (k,) in [0, 1].  A measured run has no known
    limit, so it counts as settled when neither accuracy moved by more than `criteria.level` in the second half of the
    run.  ValueError for curves that are empty, of unequal length, not finite or not in [0, 1].
    """
    criteria = as_criteria(criteria)
    num_classes = int(check("num_classes", num_classes))
    t = check_axis("t_end", time, "time")
    train, test = (
        check_axis("accuracy", values, name)
        for name, values in (("train_accuracy", train_accuracy), ("test_accuracy", test_accuracy))
    )
    if not (t.size >= 2 and t.shape == train.shape == test.shape and np.all(np.diff(t) > 0)):
        raise ValueError(
            f"time must rise, and all three curves be of one length >= 2, got time {t} and shapes {t.shape}, {train.shape} "
            f"and {test.shape}. Pass the curves of one run."
        )
    chance = np.asarray(1.0 / num_classes)
    fits = train >= criteria.fit_accuracy
    late = t >= 0.5 * t[-1]
    moved = max(np.ptp(curve[late]) for curve in (train, test))
    settled = bool(np.count_nonzero(late) >= 2 and moved <= criteria.level)
    t_fit, t_gen, t_leave = (
        since(t, condition)
        for condition in (fits, test >= criteria.performance, test > chance + criteria.chance_margin)
    )
    end = standing(fits[-1:], test[-1:], chance, criteria)
    ever = np.array([bool(np.any(test >= criteria.performance))])
    times = [np.array([x]) for x in (t_fit, t_gen, t_leave)]
    # A run that generalises for good has shown what it does; only its last digits may still move.
    return str(classify(end, np.array([settled or end[0] == GENERAL]), times[0], times[1], times[2], ever, criteria)[0])


def as_criteria(criteria: Criteria | None) -> Criteria:
    """The project's for None; TypeError for what are no criteria."""
    if criteria is not None and not isinstance(criteria, Criteria):
        raise TypeError(
            f"criteria must be toymodel.Criteria, got {criteria!r}. Pass toymodel.Criteria(performance=...), or leave it "
            f"out for the defaults."
        )
    return criteria or Criteria()
