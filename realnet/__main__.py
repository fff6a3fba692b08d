"""Train, go on, and look at runs from a terminal.

python -m realnet train runs/first --p 43 --d-model 64 --d-mlp 256 --dataset-sizes 500 1000 --seeds 0 1 2
python -m realnet train runs/un --p 43 --phases steps=3000 steps=9000,dataset_size=300
python -m realnet resume runs/first
python -m realnet list runs/first
python -m realnet show runs/first 5a45
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Any

try:
    import tyro
except ModuleNotFoundError as missing:
    raise SystemExit(
        f"python -m realnet needs {missing.name}, which is not installed. Install it: pip install '.[realnet]' in a clone"
    ) from None

from realnet.commands import run_command
from realnet.config import RunConfig
from realnet.sweeps import grid

__all__ = ["main"]


@dataclasses.dataclass(frozen=True)
class Options(RunConfig):
    """A RunConfig without the fields that only Python can say."""

    p: int | None = None  # type: ignore[assignment]
    dataset_size: int | None = None  # type: ignore[assignment]
    phases: Annotated[Any, tyro.conf.Suppress] = ()
    start_from: Annotated[Any, tyro.conf.Suppress] = None
    options: Annotated[Any, tyro.conf.Suppress] = ()
    source: Annotated[Any, tyro.conf.Suppress] = None
    groups: Annotated[Any, tyro.conf.Suppress] = ()
    stop: Annotated[Any, tyro.conf.Suppress] = None

    def __post_init__(self) -> None:
        """Nothing yet: the RunConfig made from these is checked."""


def _option(text: str) -> tuple[str, Any]:
    """A name and its value from "steps=3000"; what is not JSON is text."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def train(
    out: Annotated[Path, tyro.conf.Positional],
    run: Annotated[Options, tyro.conf.OmitArgPrefixes],
    dataset_sizes: tuple[int, ...] = (),
    weight_decays: tuple[float, ...] = (),
    learning_rates: tuple[float, ...] = (),
    seeds: tuple[int, ...] = (),
    phases: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
    device: str = "auto",
    stack_size: int | None = None,
    workers: int | None = None,
    tf32: bool = False,
    checkpoint_seconds: float = 60.0,
    shard: tuple[int, int] | None = None,
) -> None:
    """Train a run, or the grid of the plural options; finished runs are not trained again.

    Args:
        out: folder of checkpoints and results.
        run: what every run has in common.
        dataset_sizes: numbers of training pairs.
        weight_decays: weight decays.
        learning_rates: learning rates.
        seeds: seeds.
        phases: such as: steps=3000 steps=100000,dataset_size=500
        options: of task, network, loss and gradient filter, such as: examples=200 tolerance=0.01
        device: auto, cpu, cuda, ...
        stack_size: runs in a stack.
        workers: threads that each train a stack.
        tf32: round float32 products to TF32 on a CUDA GPU.
        checkpoint_seconds: a kill loses at most about this much work.
        shard: i n: train part i of n alone, for job arrays.
    """
    from realnet.training.train import train as train_runs

    fields = {f.name: getattr(run, f.name) for f in dataclasses.fields(RunConfig)}
    fields["phases"] = [dict(map(_option, text.split(","))) for text in phases]
    fields["options"] = dict(_option(text) for text in options)
    axes = {"dataset_size": dataset_sizes, "weight_decay": weight_decays}
    axes |= {"learning_rate": learning_rates, "seed": seeds}
    runs = grid(RunConfig(**fields), **{name: values for name, values in axes.items() if values})
    how: dict[str, Any] = {"stack_size": stack_size, "workers": workers, "tf32": tf32}
    how["checkpoint_seconds"] = checkpoint_seconds
    train_runs(runs, device, out, **how, shard=shard, collect=shard is None)
    list_runs(out)


def resume(
    out: Annotated[Path, tyro.conf.Positional],
    device: str = "auto",
    workers: int | None = None,
    shard: tuple[int, int] | None = None,
) -> None:
    """Go on with every unfinished run in a folder, or with those of part i of n (--shard i n)."""
    from realnet.records import Folder
    from realnet.training.train import train as train_runs

    runs = Folder(out, create=False).configs()
    train_runs(runs, device, out, workers=workers, shard=shard, collect=shard is None)
    list_runs(out)


def list_runs(out: Annotated[Path, tyro.conf.Positional]) -> None:
    """One line a run: key, status, steps, accuracies."""
    from realnet.records import Folder

    folder = Folder(out, create=False)
    configs = folder.configs()
    head = f"{'key':24}  {'status':9} {'steps':>15}  {'task':12} {'p':>4} {'D':>6} {'decay':>6} {'seed':>4}"
    print(f"{head}  train  unseen")
    for c in configs:
        record = folder.read(c, "curve")
        status, step = (record.status, record.step) if record else ("pending", 0)
        last = {n: record.curves[f"light_{n}_accuracy"][-1] if record else float("nan") for n in ("train", "unseen")}
        size = c.stages[-1].dataset_size
        print(
            f"{c.name:24}  {status:9} {step:>7}/{c.steps:<7}  {c.task:12} {c.p or '-':>4} {size:>6} "
            f"{c.stages[-1].weight_decay:>6g} {c.seed:>4}  {last['train']:5.3f}  {last['unseen']:5.3f}"
        )


def show(out: Annotated[Path, tyro.conf.Positional], key: Annotated[str, tyro.conf.Positional]) -> None:
    """One run's config, provenance and curves; `key` may be shortened."""
    from realnet.records import Folder

    folder = Folder(out, create=False)
    run = folder.find(key)
    record = folder.read(run, "curve")
    print(json.dumps(json.loads(run.to_json()), indent=2))
    if record is None:
        print("pending: no checkpoint yet")
        return
    print(json.dumps(record.provenance, indent=2))
    print(f"{record.status} at step {record.step} of {run.steps}, {record.wall_time:.1f} s")
    names = ["train_loss", "train_accuracy", "unseen_accuracy", "removed_accuracy", "train_logit", "norm", "gen_share"]
    print("  ".join(f"{n:>16}" for n in ["step", *names]))
    for i, step in enumerate(record.curves["step"]):
        print("  ".join([f"{step:>16}", *(f"{record.curves[n][i]:>16.6g}" for n in names)]))


def main(args: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    return run_command({"train": train, "resume": resume, "list": list_runs, "show": show}, "python -m realnet", args)


if __name__ == "__main__":
    sys.exit(main())
