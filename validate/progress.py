"""What is said while a profile is trained: where it is, a network that groks and ungroks, each verdict once decided."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import realnet as rn
from validate import report
from validate.experiments import Experiment
from validate.measured import Results
from validate.prediction import ABSENT, Prediction, judge
from validate.training import core_seconds, life

__all__ = ["Progress"]


class Progress:
    """Tells of the parts `todo` of a profile as they are trained into `out`, and of `predictions` judged in `results`.

    kept    results of the profile that were saved before, of any machine: the shares of the parts in the time; without
            them no time is told
    done    what need not be trained, by experiment
    """

    def __init__(
        self,
        todo: Sequence[Experiment],
        predictions: Sequence[Prediction],
        out: Path,
        results: Path,
        kept: Path,
        done: Mapping[str, Collection[rn.RunConfig]],
    ) -> None:
        self.todo, self.out, self.results, self.done = todo, out, results, done
        self.names = {e.name for e in todo}
        self.open = {p.id: p for p in predictions if self.names & set(p.experiments)}
        self.looked, self.begun = False, time.monotonic()
        self.cost = {name: core_seconds(kept / f"{name}.nc") for name in self.names}
        # A profile trained seed by seed has its experiments in parts, and saved results of some.
        if len(todo) > len(self.names) or not all(self.cost.values()) or any(done.values()):
            self.cost = {}
        if self.cost:
            minutes = sum(self.cost.values()) / 120
            self._say(
                f"about {minutes:.0f} min on two cores, as its saved runs took; what is left here follows each part"
            )

    def _say(self, text: str) -> None:
        print(text, flush=True)

    def before(self, part: int) -> None:
        """What is trained next."""
        e, kept = self.todo[part], self.done[self.todo[part].name]
        there = sum(run in kept for run in e.runs)
        runs = f"{len(e.runs)} run{'s' * (len(e.runs) != 1)}" + (
            f", {there} of them kept" if any(self.done.values()) else ""
        )
        spent = time.monotonic() - self.begun
        self._say(f"[{part + 1}/{len(self.todo)}, {spent:.0f} s] {e.setting.title}: {e.kind}, {runs}")

    def after(self, part: int) -> None:
        """What can be seen now."""
        if not self.looked and (networks := life(self.todo[part], self.out)):
            self.looked = True
            self._say(report.life(networks))
        left = {e.name for e in self.todo[part + 1 :]}
        for id in [id for id, p in self.open.items() if left.isdisjoint(p.experiments)]:
            verdict = judge(self.open.pop(id), Results(self.results))
            if verdict.verdict != ABSENT:
                self._say(report.decided_now(verdict))
        if self.cost and left:
            spent = (time.monotonic() - self.begun) / 60
            share = sum(self.cost[name] for name in self.names - left) / sum(self.cost.values())
            self._say(f"  {spent:.1f} min so far, about {spent * (1 / share - 1):.1f} min left")
