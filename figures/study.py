"""One folder of saved runs and what was judged from them: all that a figure of real networks reads.

Runs are those that `validate` judges (validate/measured.py), read by the same code.
"""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from validate.measured import MissingResult, Results, Run
from validate.quantities import at_threshold
from validate.statistics.intervals import Interval

from .paths import Paths
from .verdicts import Verdicts

__all__ = ["Run", "Study"]


class Study(Results):
    """A folder of runs, <setting>/<kind>.nc, with verdicts.json.  Everything read through it is noted, for `about`."""

    def __init__(self, folder: Path) -> None:
        # An empty folder is no error: a figure says what it needs, and shows what else is there.
        self.folder = Path(folder)
        self.read: dict[str, xr.Dataset] = {}

    def file(self, name: str) -> Path:
        """Where experiment `name` is saved; "realnet/..." is one of realnet's reference runs."""
        return Paths(data=self.folder).saved(f"{name}.nc")

    @functools.cached_property
    def verdicts(self) -> Verdicts:
        """What was judged."""
        return Verdicts(self.folder / "verdicts.json")

    @functools.cached_property
    def rival(self) -> Verdicts:
        """What was judged of the rival theory."""
        return Verdicts(Paths(data=self.folder).saved("omnigrok/verdicts.json"))

    def dataset(self, name: str) -> xr.Dataset:
        """The runs of an experiment, setting/kind, in memory."""
        self.read[name] = super().dataset(name)
        return self.read[name]

    @functools.cache  # noqa: B019  # one Study a figure, and it lives as long
    def runs(self, name: str) -> tuple[Run, ...]:
        """The finished runs of an experiment, by seed, then data set size, then weight decay; none if it is not there."""
        there = super().runs(name) if name in self else ()
        order = ("seed", "dataset_size", "weight_decay")
        done = (run for run in there if run.status == "finished" and len(run.step) > 1)
        return tuple(sorted(done, key=lambda run: [run.config[key] for key in order]))

    def tables(self, *names: str) -> pd.DataFrame:
        """A row for each finished run of these experiments; empty if none is there."""
        there = [name for name in names if self.runs(name)]
        found = self.together(*there) if there else pd.DataFrame()
        return found.assign(coupled=found.protocol == "coupled") if there else found

    def meet(self, setting: str = "base", protocol: str = "coupled") -> Interval:
        """D_crit: where the efficiencies of a setting's own lone circuits meet; not measured where it has none."""
        try:
            return at_threshold(self, setting, protocol=protocol).meet
        except MissingResult:
            return Interval.unknown(0)

    def about(self) -> dict[str, object]:
        """For the caption file: how many runs were read, where they were made, and what is quoted of the verdicts.

        A date is stated only where the runs have one.
        """
        data = list(self.read.values())
        judged = [self.__dict__[name].quoted for name in ("verdicts", "rival") if name in self.__dict__]
        quoted = {"quoted": {key: value for one in judged for key, value in one.items()}} if judged else {}
        status = np.concatenate([ds.status.values.ravel() for ds in data] or [np.empty(0, str)])
        status = status[status != "absent"]

        def of(name: str) -> list[str]:
            return list(dict.fromkeys(p for ds in data for p in str(ds.attrs.get(name, "")).split(" | ") if p))

        words = [f"{int((status == 'finished').sum())} of {status.size} runs finished"]
        if data:
            words.append(
                f"trained on {', '.join(of('device'))} ({', '.join(of('processor'))}) in {', '.join(of('dtype'))}"
            )
        days = sorted({day[:10] for day in of("date")})
        words += [" to ".join(dict.fromkeys((days[0], days[-1])))] if days else []
        commits = list(dict.fromkeys(commit[:10] for commit in of("commit")))
        words += [f"commit{'s' * (len(commits) > 1)} {', '.join(commits)}"] if commits else []
        return quoted | ({"n": int(status.size), "source": "; ".join(words) + "."} if data else {})
