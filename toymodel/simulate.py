"""simulate(): one trajectory of a model, by gradient flow or gradient descent (README 3), and what a trajectory is."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from . import plot as draw
from .behaviours import FAILED, MEANINGS, Criteria, as_criteria
from .integration.compilation import available
from .integration.engine import REASONS, RTOL, follow_to_limit, solve_descent, solve_flow, stable_rate
from .integration.problem import Problem, event_times, pack
from .kernel.rows import COUNT, DONE, GENERALISED, N_EVENTS, STATUS
from .keywords import Parameters
from .model import HELP, TwoCircuitModel, as_model
from .parameters import FloatArray, check, unknown
from .results.display import Rows, Shown, number
from .results.export import describe, provenance
from .results.readings import Readings
from .state import State, as_state

if TYPE_CHECKING:
    import xarray

METHODS = ("flow", "descent")
# A descent of more circuits × steps than this is worth the time that loading the compiler takes.
COMPILE_FROM = 200_000
SETTINGS = (
    "t_end", "method", "learning_rate", "steps", "start", "times", "rtol", "noise", "seed", "criteria", "compiled",
)  # fmt: skip


def _since(name: str, meaning: str) -> Any:
    """A property: an event's time, None where what it is about does not hold at the end."""

    def read(self: Any) -> float | None:
        found = float(event_times(self.events)[name])
        return None if np.isnan(found) else found

    read.__doc__ = meaning
    return property(read)


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory(Readings, Shown):
    """The circuits' training, from `simulate`.

    model            what was trained; after `continue_with`, what was trained last
    time (k,)        flow time; `step` is the same in gradient steps
    logits (k, n)    W, nats; gen_logit and mem_logit (k,) add them up by kind
    norms (k, n)     P of each circuit; norm (k,) is the network's ‖w‖ (2.3), gen_norm and mem_norm (k,) are by kind
    train_loss, test_loss (k,), nats; train_accuracy, test_accuracy (k,); regularised_loss (k,) L + R
    t_fit, t_gen, t_cross, t_lost   flow times of events, None if what they are about does not hold at the end
    behaviour        a word of the vocabulary (toymodel.BEHAVIOURS); `meaning` explains it
    final_state      logits and invariants at t_end, to go on from
    limit_logits (n,)   where the flow would end
    status           how the integration ended
    num_steps        steps that it took
    """

    model: TwoCircuitModel
    method: str
    learning_rate: float
    t_end: float
    rtol: float
    noise: float
    seed: int
    criteria: Criteria
    time: FloatArray
    logits: FloatArray
    problem: Problem = field(repr=False)
    invariants: FloatArray = field(repr=False)
    events: FloatArray = field(repr=False)
    final_state: State
    limit_logits: FloatArray
    behaviour: str
    status: str

    @property
    def step(self) -> FloatArray:
        """Gradient steps (k,): flow time / learning rate."""
        return self.time / self.learning_rate

    t_fit = _since("t_fit", "Flow time since which the training set is fitted: train loss below 0.1 ln q for good.")
    t_gen = _since("t_gen", "Flow time since which it generalises: test loss below 0.1 ln q, or accuracy 0.9 if σ > 0.")
    t_cross = _since("t_cross", "Flow time since which the generalising circuits have the larger logit.")
    t_lost = _since("t_lost", "Flow time since which the memorising circuits have the larger logit.")

    @property
    def num_steps(self) -> int:
        """Steps that the integration took."""
        return int(self.events[COUNT])

    @property
    def meaning(self) -> str:
        """What the behaviour's name means."""
        return MEANINGS[self.behaviour]

    def continue_with(
        self, t_end: float | None = None, *, method: str | None = None, steps: int | None = None,
        times: npt.ArrayLike | None = None, **changes: Any,
    ) -> "Trajectory":  # fmt: skip
        """Trains the same circuits on under changed parameters: one clock, and one behaviour of the whole history.

        `dataset_size=400` after grokking is ungrokking (paper section 4); chained, it is a schedule of weight decay or data.
        t_end and times are on the clock that runs on; default: as long again.  steps: that many more.  Learning speeds and
        initial logits cannot change, because these circuits are already on their way: ValueError.

        >>> simulate().continue_with(3000, dataset_size=400).behaviour
        'ungrokking'
        """
        for name in changes:
            if name in ("start", "model", "learning_rate") or name.endswith(("_learning_speed", "_initial_logit")):
                raise ValueError(
                    f"continue_with keeps the circuits' state and clock, so {name} cannot change; got {changes[name]!r}. "
                    f"Use simulate(...) for a new start."
                )
        if steps is None:
            until = check("t_end", 2.0 * self.t_end if t_end is None else t_end)
            if until < self.t_end:
                raise ValueError(
                    f"t_end must be on the clock that runs on, {self.t_end:g} <= t_end, got {until:g}. Pass the flow time "
                    f"at which the whole history ends."
                )
            length: float | None = until - self.t_end
        else:
            length = t_end  # simulate refuses both
        method = method or self.method
        settings: dict[str, Any] = {"rtol": self.rtol, "criteria": self.criteria}
        settings |= {"noise": self.noise if method == "descent" else 0.0} | changes
        if settings["noise"] != 0.0:  # other noise than before
            settings = {"seed": self.seed + 1} | settings
        more = simulate(
            self.model, length, method, steps=steps, start=self.final_state,
            learning_rate=self.learning_rate, times=None if times is None else np.asarray(times, float) - self.t_end,
            **settings,
        )  # fmt: skip
        return self._joined(more)

    def _joined(self, more: "Trajectory") -> "Trajectory":
        """This history and what followed."""
        stamped = self.t_end + more.time
        new = np.diff(stamped, prepend=self.t_end) > 0.0
        events = more.events + np.where(np.arange(more.events.size) < N_EVENTS, self.t_end, 0.0)
        # What holds from the start of the second part on may have held before.
        held = (more.events[:N_EVENTS] == 0.0) & ~np.isnan(self.events[:N_EVENTS])
        events[:N_EVENTS] = np.where(held, self.events[:N_EVENTS], events[:N_EVENTS])
        events[GENERALISED] = max(events[GENERALISED], self.events[GENERALISED])
        events[COUNT] += self.events[COUNT]
        parts = [x.problem.take(np.zeros(x.time.size, int)) if x.problem.size == 1 else x.problem for x in (self, more)]
        arrays: dict[str, Any] = {
            name: np.concatenate([value, getattr(parts[1].take(np.flatnonzero(new)), name)])
            for name, value in vars(parts[0]).items()
            if isinstance(value, np.ndarray)
        }
        behaviour = more.problem.take(np.array([-1])).behaviours(
            events[None], more.final_state.logit[None], more.limit_logits[None]
        )
        return replace(
            more,
            t_end=self.t_end + more.t_end,
            seed=more.seed if more.noise > 0.0 else self.seed,
            time=np.concatenate([self.time, stamped[new]]),
            logits=np.concatenate([self.logits, more.logits[new]]),
            invariants=np.concatenate([self.invariants, more.invariants[new]]),
            problem=replace(more.problem, **arrays),
            events=events,
            behaviour=FAILED if FAILED in (self.behaviour, more.behaviour) else str(behaviour[0]),
        )

    def to_dataset(self) -> "xarray.Dataset":
        """All of it as an xarray.Dataset over `time`, with units, parameters, criteria and behaviour in attributes."""
        import xarray as xr

        over_time = "gen_logit mem_logit gen_norm mem_norm norm train_loss test_loss train_accuracy test_accuracy"
        data: dict[str, Any] = {name: ("time", getattr(self, name)) for name in over_time.split()}
        data |= {"logit": (("time", "circuit"), self.logits), "circuit_norm": (("time", "circuit"), self.norms)}
        data |= {name: float(value) for name, value in event_times(self.events).items()}
        told = ("method", "learning_rate", "t_end", "rtol", "noise", "seed", "status")
        settings = {name: getattr(self, name) for name in told}
        return describe(
            xr.Dataset(
                data | {"behaviour": self.behaviour},
                coords={"time": self.time, "step": ("time", self.step), "circuit": list(self.model.labels)},
                attrs=provenance(self.model, self.criteria, **settings),
            )
        )

    def plot(self, *, against: str = "time", ax: Any = None) -> Any:
        """Losses, logits and norms, in three panels as in the paper's figure 2; the figure.

        against: "time" or "step".  ax: three axes to draw into, or one, which gets the logits.
        """
        if against not in ("time", "step"):
            raise unknown("against", str(against), ("time", "step"))
        return draw.plot_trajectory(self, against, ax)

    def _rows(self) -> Rows:
        ends = ", ".join(f"{a} {b:.6g}" for a, b in zip(self.model.labels, self.final_state.logit, strict=True))
        steps = self.t_end / self.learning_rate
        return [
            ("behaviour", f"{self.behaviour}: {self.meaning}"),
            *((name, number(getattr(self, name))) for name in ("t_fit", "t_gen", "t_cross")),
            *([("t_lost", number(self.t_lost))] if self.t_lost is not None else []),
            ("t_end", f"{self.t_end:.6g} ({steps:.6g} steps of {self.learning_rate:g}), {self.method}"),
            ("final logits", ends),
            ("final norm", f"{self.norm[-1]:.6g}"),
            ("final losses", f"train {self.train_loss[-1]:.4g}, test {self.test_loss[-1]:.4g}"),
            ("final accuracies", f"train {self.train_accuracy[-1]:.4g}, test {self.test_accuracy[-1]:.4g}"),
            ("status", self.status),
        ]


def simulate(
    model: TwoCircuitModel | None = None,
    t_end: float | None = None,
    method: str = "flow",
    *,
    learning_rate: float = 0.01,
    steps: int | None = None,
    start: State | Sequence[float] | None = None,
    times: npt.ArrayLike | None = None,
    rtol: float = RTOL,
    noise: float = 0.0,
    seed: int = 0,
    criteria: Criteria | None = None,
    compiled: bool | None = None,
    **parameters: Unpack[Parameters],
) -> Trajectory:
    """Trains the circuits and returns their Trajectory.  With no arguments: the paper's simulation (appendix C).

    Main arguments
        model       a TwoCircuitModel; default TwoCircuitModel(), the paper's values
        t_end       flow time at which to stop (learning rate × steps); default 1000
        method      "flow": gradient flow, error-controlled; "descent": the paper's gradient descent
        parameters  any parameter of the model, for this run only: kappa=1.5, dataset_size=400 (listed below)

    Other arguments
        learning_rate   λ: the step of descent, and what turns flow time into `Trajectory.step`
        steps           number of descent steps, instead of t_end
        start           a State to go on from, or logits (n,) to start at instead of the model's
        times           (k,) rising flow times in [0, t_end] to keep; default about 700, dense in ln t and in t
        rtol            flow: error allowed per step in ln(1 + W)
        noise, seed     descent: standard deviation of the noise that a subweight gathers in unit flow time (3.10)
        criteria        where the vocabulary of behaviours draws its lines
        compiled        with the kernel that `sweep` uses: seconds to load, once, then much quicker, and the same to within
                        rounding; default: only for a long descent

    Raises ValueError or TypeError for an argument out of range, for a circuit that could never leave W = 0 (README 4.3), and
    for a learning rate at which descent cannot settle (the message states the bound).  A t_end that is too short is no
    error: the behaviour is then "unfinished".

    >>> simulate().behaviour
    'grokking'
    """
    model = as_model(model)
    if parameters:
        model.check_names(parameters, SETTINGS)
        model = model.with_parameters(**parameters)
    if method not in METHODS:
        raise unknown("method", str(method), METHODS)
    learning_rate, rtol = check("learning_rate", learning_rate), check("rtol", rtol)
    noise, seed = check("noise", noise), int(check("seed", seed))
    refuse_noise(noise, seed, method)
    if steps is not None:
        if t_end is not None:
            raise ValueError(f"steps stands for t_end; got steps={steps!r}, t_end={t_end!r}. Pass one of them.")
        t_end = check("steps", steps) * learning_rate
    t_end = check("t_end", 1000.0 if t_end is None else t_end)
    criteria = as_criteria(criteria)
    problem = pack(model, {}, 1, as_state(model, start), criteria)
    saved = save_times(t_end, times)
    if method == "flow":
        solution = solve_flow(problem, np.array([t_end]), rtol, saved, bool(compiled) and available())
    else:
        rate = np.array([learning_rate])
        bound = float(stable_rate(problem, follow_to_limit(problem), rate)[0])
        if learning_rate >= bound:
            raise ValueError(
                f"descent can settle where the flow ends only with learning_rate < 2 / curvature = {bound:.4g}; got "
                f"{learning_rate:g}, with which it diverges or oscillates. Lower it, or use method='flow'."
            )
        count = number_of_steps(t_end, learning_rate)
        marks = np.unique(np.round(saved / learning_rate))
        saved = marks * learning_rate
        compiled = (count * len(model.circuits) > COMPILE_FROM if compiled is None else compiled) and available()
        noisy = np.array([noise]), np.array([float(seed)])
        solution = solve_descent(problem, rate, np.array([count]), *noisy, marks, compiled)
    status = int(solution.events[0, STATUS])
    behaviour = str(problem.behaviours(solution.events, solution.final, solution.limits)[0])
    return Trajectory(
        model=model, method=method, learning_rate=learning_rate, t_end=t_end, rtol=rtol, noise=noise, seed=seed,
        criteria=criteria, time=saved, logits=solution.samples[0], problem=problem, invariants=solution.kept[0],
        events=solution.events[0], final_state=State(solution.final[0], solution.invariant[0]),
        limit_logits=solution.limits[0], behaviour=behaviour if status == DONE else FAILED, status=REASONS[status],
    )  # fmt: skip


simulate.__doc__ = f"{simulate.__doc__}\n    Parameters of the model\n{HELP}\n"


def refuse_noise(noise: npt.ArrayLike, seed: npt.ArrayLike, method: str) -> None:
    """ValueError for noise of a flow, which has no steps, and for a seed of no noise, which would change nothing."""
    noisy = bool(np.any(np.asarray(noise) > 0.0))
    if noisy and method == "flow":
        raise ValueError(
            f"noise needs method='descent', because the flow has no steps; got noise={noise!r}. Pass that method."
        )
    if not noisy and np.any(np.asarray(seed) != 0):
        raise ValueError(
            f"seed is that of the noise, without which all seeds give one run; got seed={seed!r} and no noise. Pass "
            f"noise=0.02, say, with method='descent', or leave seed out."
        )


def number_of_steps(t_end: float, learning_rate: float) -> int:
    """Descent steps to t_end; ValueError for more than can be counted."""
    return int(check("steps", float(np.round(t_end / learning_rate)), "t_end / learning_rate"))


def save_times(t_end: float, times: npt.ArrayLike | None = None) -> FloatArray:
    """Flow times to keep: the caller's, or a default grid that is dense both in ln t and in t."""
    if times is None:
        if t_end == 0.0:
            return np.zeros(1)
        return np.unique(np.concatenate([[0.0], t_end * np.geomspace(1e-5, 1.0, 401), np.linspace(0.0, t_end, 301)]))
    try:
        wanted = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"times must be a 1-D sequence of numbers, got {times!r}. Pass a list or an array.") from None
    good = wanted.ndim == 1 and wanted.size > 0 and np.all(np.isfinite(wanted)) and np.all(np.diff(wanted) > 0)
    if not (good and wanted[0] >= 0 and wanted[-1] <= t_end):
        raise ValueError(
            f"times must be 1-D, not empty, strictly rising and within [0, t_end = {t_end:g}], got {times!r}. Sort them, "
            f"drop repetitions, or raise t_end."
        )
    return wanted
