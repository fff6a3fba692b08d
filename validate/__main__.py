"""Put the theory on trial.

python -m validate list                             every prediction and its pass rule; runs nothing
python -m validate run --profile quick              train what is missing, judge, report
python -m validate run --profile standard --only P2
python -m validate report runs/validate/quick       judge and report saved runs; trains nothing
python -m validate keep runs/validate/quick figures/data/validate/quick    copy results and verdicts, for figures
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from realnet import ConfigError
from realnet.commands import run_command
from validate.experiments import PROFILES, Experiment, Profile, experiments
from validate.measured import MissingResult, Results
from validate.prediction import Prediction, judge
from validate.predictions import PREDICTIONS

__all__ = ["main"]

OUT = Path("runs/validate")


def _chosen(only: Sequence[str]) -> list[Prediction]:
    """The predictions asked for, by id or its beginning (P1 for P1a and P1b). Errors: ConfigError."""
    if not only:
        return list(PREDICTIONS.values())
    found: dict[str, Prediction] = {}
    for name in only:
        exact = {i: p for i, p in PREDICTIONS.items() if i.lower() == name.lower()}
        family = {i: p for i, p in PREDICTIONS.items() if i.lower()[:-1] == name.lower() and i[-1].isalpha()}
        if not exact and not family:
            raise ConfigError(
                f"--only takes predictions of {', '.join(PREDICTIONS)}; received {name!r}. See python -m validate list."
            )
        found |= exact or family
    return [p for p in PREDICTIONS.values() if p.id in found]


def _wanted(profile: Profile, predictions: Sequence[Prediction], whole: bool) -> list[Experiment]:
    """The experiments that the predictions need, or all of the profile's."""
    needed = {name for p in predictions for name in p.experiments}
    return [e for e in experiments(profile) if whole or e.name in needed]


def list_predictions() -> None:
    """Print every prediction with its claim, source, observable, statistic and pass rule; runs nothing."""
    from validate.terminal import listing

    print(listing(list(PREDICTIONS.values())))


def run(
    profile: Literal["quick", "standard", "paper"] = "quick",
    only: tuple[str, ...] = (),
    out: Path = OUT,
    device: str = "auto",
    workers: int | None = None,
) -> None:
    """Train what is missing, judge, and write the report.

    Args:
        profile: how much is trained: quick takes minutes on two CPU cores, standard hours, paper a GPU.
        only: predictions such as P2; trains only what they need.
        out: folder of runs, results and reports; stop at any time, the same command goes on.
        device: auto, cpu, cuda, ...
        workers: threads that each train a run.
    """
    from validate.training import collect, train

    predictions = _chosen(only)
    results = out / profile
    todo = _wanted(PROFILES[profile], predictions, whole=not only)
    for i, experiment in enumerate(todo, 1):
        print(
            f"[{i}/{len(todo)}] {experiment.setting.title}: {experiment.kind}, {len(experiment.runs)} runs", flush=True
        )
        train(experiment, out, device, workers)
        collect(experiment, out, results)
    _report(results, predictions, only)


def report(results: Annotated[Path, tyro.conf.Positional], only: tuple[str, ...] = ()) -> None:
    """Judge saved runs and write the report; trains nothing.

    Args:
        results: folder of saved results, such as runs/validate/quick.
        only: predictions such as P2.
    """
    _report(results, _chosen(only), only)


def keep(results: Annotated[Path, tyro.conf.Positional], to: Annotated[Path, tyro.conf.Positional]) -> None:
    """Copy saved results and their verdicts, which is all that figures need, to a folder of reference data.

    Args:
        results: folder of saved and judged results, such as runs/validate/quick.
        to: the folder to be made or replaced, such as figures/data/validate/quick.
    """
    from realnet.records import write_atomically

    if not (results / "verdicts.json").exists():
        raise MissingResult(
            f"results must have been judged; {str(results)!r} has no verdicts.json. Run: python -m validate report {results}"
        )
    files = [results / "verdicts.json", results / "verdicts.md", *sorted(results.glob("*/*.nc"))]
    for file in files:
        target = to / file.relative_to(results)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, lambda name, file=file: shutil.copyfile(file, name))  # type: ignore[misc]
    for old in set(to.glob("*/*.nc")) - {to / file.relative_to(results) for file in files}:
        old.unlink()
    print(f"{len(files)} files in {to}")


def _report(folder: Path, predictions: Sequence[Prediction], only: Sequence[str]) -> None:
    """Judge, save, show. What is asked for with --only has files of its own beside the whole."""
    from validate import further, summary, terminal, verdicts
    from validate import report as pages

    results = Results(folder)
    judged = [judge(p, results) for p in predictions]
    data = verdicts.data(judged, results, further.tables(results, {v.prediction.id: v.verdict for v in judged}))
    part = "".join(f"-{name}" for name in only)
    saved = verdicts.save(folder / f"verdicts{part}.json", data)
    summary.write(folder / f"verdicts{part}.md", data)
    page = pages.write(folder / f"report{part}.html", data, results)
    print(terminal.table(data))
    print(f"verdicts: {saved}\nreport:   {page}")


def main(args: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    return run_command(
        {"run": run, "list": list_predictions, "report": report, "keep": keep}, "python -m validate", args
    )


if __name__ == "__main__":
    sys.exit(main())
