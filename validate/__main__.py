"""Put the theory on trial.

python -m validate list                             every prediction, its rule and the rule's power; runs nothing
python -m validate run --profile quick              train what is missing, judge, report
python -m validate run --profile standard --only P2
python -m validate run --profile omnigrok-quick     the rival theory, Omnigrok, on the same runner
python -m validate run --net mine.toml              where is D_crit for my own task and network?
python -m validate run --profile standard --kept validate/data/standard    train what the saved study lacks
python -m validate report runs/validate/quick       judge and report saved runs; trains nothing
python -m validate keep runs/validate/quick validate/data/quick    copy results and verdicts, for figures
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal

try:
    import tyro
except ModuleNotFoundError as missing:
    raise SystemExit(
        f"python -m validate needs {missing.name}, which is not installed. Install it: pip install '.[realnet]' in a clone"
    ) from None

from realnet import ConfigError
from realnet.commands import run_command
from realnet.examples import task_of
from realnet.tasks.files import FULL_DATA
from validate.experiments import PROFILES, Experiment, Profile, experiments
from validate.experiments.design import rounds
from validate.experiments.omnigrok import omnigrok
from validate.measured import MissingResult, Results
from validate.prediction import Prediction, judge
from validate.predictions import ALL, suite

__all__ = ["main"]

OUT = Path("runs/validate")
DATA = Path(__file__).parent / "data"
STUDY, PAPER = DATA / "standard", DATA / "paper"
"""The saved study, which every run is held against, and what was trained in the paper's own setting"""


def _chosen(only: Sequence[str], experiments: Iterable[str] = ()) -> list[Prediction]:
    """The predictions asked for of those that `experiments` are for, by id or its beginning (P1 for P1a and P1b).

    Errors: ConfigError.
    """
    known = suite(experiments)
    found: dict[str, Prediction] = {}
    for name in only or known:
        exact = {i: p for i, p in known.items() if i.lower() == name.lower()}
        family = {i: p for i, p in known.items() if i.lower()[:-1] == name.lower() and i[-1].isalpha()}
        if not exact and not family:
            raise ConfigError(
                f"--only takes predictions of {', '.join(known)}; received {name!r}. See python -m validate list."
            )
        found |= exact or family
    return [p for p in known.values() if p.id in found]


def _wanted(profile: Profile, predictions: Sequence[Prediction], whole: bool) -> list[Experiment]:
    """The experiments that the predictions need, or all of the profile's."""
    needed = {name for p in predictions for name in p.experiments}
    return [e for e in experiments(profile) if whole or e.name in needed]


def _with_data(profile: str, data: Path) -> Profile:
    """The profile on full data. Errors: ConfigError."""
    found = {p.name: p for p in omnigrok(data)}.get(profile, PROFILES[profile])
    if not any(setting.net.task in FULL_DATA for setting in found.settings):
        raise ConfigError(f"--data is for omnigrok and omnigrok-paper; received it with {profile!r}. Leave it out.")
    changed = [b.title for a, b in zip(PROFILES[profile].settings, found.settings, strict=True) if a != b]
    if not changed:
        files = "; or ".join(", ".join(files) for _, *files in FULL_DATA.values())
        raise ConfigError(f"--data must be a folder with {files}; received {str(data)!r}. Put one of these there.")
    print(f"full data: {', '.join(dict.fromkeys(changed))}", flush=True)
    return found


def list_predictions() -> None:
    """Print every prediction with its claim, protocols, pass rule and the rule's power; runs nothing."""
    from validate.report import listing

    print(listing(ALL.values()))


def run(
    profile: Literal[
        "quick", "standard", "paper", "paper-gpu", "omnigrok-quick", "omnigrok", "omnigrok-paper"
    ] = "quick",
    only: tuple[str, ...] = (),
    net: Path | None = None,
    out: Path = OUT,
    data: Path | None = None,
    kept: Path | None = None,
    device: str = "auto",
    workers: int | None = None,
) -> None:
    """Train what is missing, judge, and write the report.

    Args:
        profile: how much is trained: quick takes minutes on two CPU cores, standard hours, paper nights, paper-gpu a GPU;
            omnigrok-quick, omnigrok and omnigrok-paper are the same of the rival theory.
        only: predictions such as P2; trains only what they need.
        net: a task and network of your own, as TOML; finds its D_crit by bisection instead of judging predictions.
        out: folder of runs, results and reports; stop at any time, the same command goes on.
        data: folder with full data in the place of what pip brings, for omnigrok: MNIST's four IDX files,
            "IMDB Dataset.csv", or QM9's gdb9.sdf and gdb9.sdf.csv.
        kept: saved results to go on from, such as validate/data/standard; what is finished there is not trained.
        device: auto, cpu, cuda, ...
        workers: threads that each train a run.
    """
    from validate.progress import Progress
    from validate.training import collect, saved, train

    if net is not None:
        from validate.own import critical_size

        print(critical_size(net, out, device, workers).words)
        return
    chosen = PROFILES[profile] if data is None else _with_data(profile, data)
    predictions = _chosen(only, (e.name for e in experiments(chosen)))
    results = out / profile
    if kept is not None:
        Results(kept)  # or says that there are none
    todo = _wanted(chosen, predictions, whole=not only)
    for setting in {e.setting.name: e.setting for e in todo}.values():
        task_of(setting.net)  # data that are missing or damaged are met before hours of training
    finished = {e.name: saved(e, kept) for e in todo}
    whole = {e.name: e for e in todo}
    todo = rounds(todo, chosen.by_seed)
    progress = Progress(todo, predictions, out, results, DATA / profile, finished)
    for i, experiment in enumerate(todo):
        progress.before(i)
        # What is stacked in one way is not to be trained in another.
        then = [e for e in todo[i + 1 : i + 2] if e.setting.stack == experiment.setting.stack]
        ahead = dict.fromkeys(run.start_from for e in then for run in e.runs if run not in finished[e.name])
        done = finished[experiment.name]
        train(experiment, out, device, workers, done, [run for run in ahead if run])
        collect(whole[experiment.name], out, results, done)
        progress.after(i)
    _report(results, predictions, only)


def report(results: Annotated[Path, tyro.conf.Positional], only: tuple[str, ...] = ()) -> None:
    """Judge saved runs and write the report; trains nothing.

    Args:
        results: folder of saved results, such as runs/validate/quick.
        only: predictions such as P2.
    """
    _report(results, _chosen(only, Results(results).names), only)


def keep(results: Annotated[Path, tyro.conf.Positional], to: Annotated[Path, tyro.conf.Positional]) -> None:
    """Copy saved results and their verdicts, which is all that figures need, to a folder of reference data.

    Args:
        results: folder of saved and judged results, such as runs/validate/quick.
        to: the folder to be made or replaced, such as validate/data/quick.
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
    from realnet.records import write_atomically
    from validate import report, studies, verdicts

    results = Results(folder)
    found = verdicts.judgement([judge(p, results) for p in predictions], results)
    part = "".join(f"-{name}" for name in only)
    saved = verdicts.save(folder / f"verdicts{part}.json", found)
    page = folder / f"verdicts{part}.md"
    text = report.markdown(found)
    write_atomically(page, lambda name: Path(name).write_text(text, encoding="utf-8"))
    print(report.terminal(found))
    files = (kept / "verdicts.json" for kept in (STUDY, PAPER))
    study, paper = (verdicts.load(file) if file.exists() else None for file in files)
    if study and found.words.keys().isdisjoint(study.words):
        study = paper = None  # The rival theory's own predictions are not the study's.
    curve, where = found.tables.get(studies.SIZE), "trained here"
    if not curve and study:
        curve, where = study.tables.get(studies.SIZE), "from the saved study"
    if curve:
        print(report.curve(curve, where), end="\n\n")
    own = paper.tables.get(studies.PAPER, []) if curve and study and paper else []
    if shown := [row for row in own if row["weight_decay"] == 1.0]:
        print(report.curve(shown, "AdamW as in the paper, saved"), end="\n\n")
    if study and folder.resolve() != STUDY.resolve():
        print(report.agreement(found, study), end="\n\n")
    print(f"verdicts: {saved}\nreport:   {page}\nwith pictures, in a browser: python -m figures page {folder}")


def main(args: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    commands: dict[str, Callable[..., None]] = {"run": run, "list": list_predictions, "report": report, "keep": keep}
    return run_command(commands, "python -m validate", args)


if __name__ == "__main__":
    sys.exit(main())
