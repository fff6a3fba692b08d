"""Any network, by its own module: what every faster path must agree with.

A stack of runs goes through `torch.func`: vmap(functional_call), and autograd for the gradient. A network that vmap does
not know, that draws random numbers, changes its buffers or mixes examples goes run by run, each through its own module.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from realnet.engine.batch import Batch, Feed
from realnet.engine.optimizer import update
from realnet.examples import StageData
from realnet.losses import Loss, evaluate
from realnet.nets.layout import build, seeded
from realnet.prepared import Prepared, tensors
from realnet.tasks.task import DRAWS

__all__ = ["General", "gradient", "judged", "saved_numbers"]

CHUNK = 4096  # examples that are measured at once


class General:
    """See `ensemble.Engine`. A run's state, its buffers and frozen parameters, are its own: [run, ...] by name."""

    name = "general"
    update = staticmethod(update)
    knows = None
    """everything: the module is what the config asks for"""

    def __init__(self, runs: Sequence[Prepared], weights: Tensor, grads: Tensor) -> None:
        self.runs, self.weights = runs, weights
        first = runs[0]
        self.leaves = {k: v.detach().requires_grad_() for k, v in first.layout.views(weights).items()}
        self.slopes = first.layout.views(grads)
        states = [run.state() for run in runs]
        self._state = {k: torch.stack([s[k] for s in states]).to(weights.device) for k in states[0]}
        self.habits = first.habits
        self.nets: list[nn.Module] = []
        self.solitary = len(runs) == 1 or self.habits.solitary or len({_rest(run.net) for run in runs}) > 1
        self._modules()
        self.recordable = not (self.habits.draws or self.habits.remembers)

    def _modules(self) -> None:
        """The modules: one that stands for all, or each run's own, whose parameters and buffers are those of the stack."""
        self.nets = [self._module(run) for run in (self.runs if self.solitary else self.runs[:1])]
        if not self.solitary:
            return
        for i, net in enumerate(self.nets):
            places = {k: v[i] for k, v in (self.runs[0].layout.views(self.weights) | self._state).items()}
            for name, thing in (*net.named_parameters(), *net.named_buffers()):
                thing.data = places[name]
        self._buffers = [_owners(net) for net in self.nets]

    def _module(self, run: Prepared) -> nn.Module:
        return build(run.config, run.task).to(self.weights)

    def enter(self, stage: int, data: Sequence[StageData]) -> None:
        self.data, self.stage = data, stage
        self.feed = Feed(self.runs, stage, data, self.weights.device)
        self.tables: dict[tuple[int, bytes], tuple[Tensor, ...]] = {}
        if not self.solitary:
            try:
                with torch.no_grad():
                    self._together(self.leaves, [x[:, :2] for x in self.feed.batch.inputs])
            except (RuntimeError, NotImplementedError, ValueError):
                self.solitary = True  # LSTMs, say, are not known to vmap; an error of the net's own comes again
                self._modules()

    def draw(self, step: int) -> None:
        self.feed.draw(step)

    def state(self) -> dict[str, Tensor]:
        return self._state

    def gradient(self, step: int | None) -> Tensor:
        batch = self.feed.batch
        self._mode(step is not None)
        if not self.solitary:
            return gradient(lambda w: self._together(w, batch.inputs), self._loss, self.leaves, batch, self.slopes)
        losses = [self._one_gradient(i, batch, step) for i in range(len(self.runs))]
        return torch.stack(losses)

    @property
    def _loss(self) -> Loss:
        return self.runs[0].loss

    def _mode(self, training: bool) -> None:
        for net in self.nets:
            if net.training != training:
                net.train(training)

    def _together(self, weights: Mapping[str, Tensor], inputs: Sequence[Tensor]) -> Tensor:
        def run(weights: dict[str, Tensor], state: dict[str, Tensor], *inputs: Tensor) -> Tensor:
            return functional_call(self.nets[0], weights | state, inputs)

        return self._warm(vmap(run)(dict(weights), self._state, *inputs))

    def _warm(self, outputs: Tensor) -> Tensor:
        temperature = self.runs[0].config.temperature
        return outputs if temperature == 1 else outputs / temperature

    def _one_gradient(self, i: int, batch: Batch, step: int | None) -> Tensor:
        """Fill the gradients of run i; returns its loss. Without padding, which a network that mixes examples would see."""
        net, size = self.nets[i], batch.sizes[i]
        inputs = [x[i, :size] for x in batch.inputs]
        leaves = {k: p for k, p in net.named_parameters() if p.requires_grad}
        with torch.enable_grad():
            if self.habits.draws and step is not None:
                seed = np.random.SeedSequence([self.runs[i].config.seed, DRAWS, step]).generate_state(1, np.uint64)
                with seeded(int(seed[0] >> 1), self.weights.device):
                    made = self._warm(net(*inputs))
            else:
                made = self._warm(net(*inputs))
        self._keep_buffers(i)
        values, slopes = evaluate(self._loss, made.detach()[None], batch.target[i : i + 1, :size])
        share = batch.share[i : i + 1, :size]
        slopes = slopes.mul_(share[..., None])[0]
        grads = torch.autograd.grad(made, list(leaves.values()), slopes, materialize_grads=True)
        for name, grad in zip(leaves, grads, strict=True):
            self.slopes[name][i].copy_(grad)
        return (values * share).sum()

    def _keep_buffers(self, i: int) -> None:
        """A module may have put new tensors in the place of its buffers: their values belong to the stack."""
        for owner, name, tensor in self._buffers[i]:
            if (now := owner._buffers[name]) is not tensor:
                assert now is not None
                tensor.data.copy_(now.detach())
                owner._buffers[name] = tensor

    def logits(self, index: int) -> Tensor:
        run, net = self.runs[index], self.nets[index if self.solitary else 0]
        self._mode(False)
        views = {k: v[index] for k, v in (run.layout.views(self.weights) | self._state).items()}

        def outputs(inputs: Sequence[Tensor]) -> Tensor:
            one = tuple(x[0] for x in inputs)
            return self._warm(net(*one) if self.solitary else functional_call(net, views, one))[None]

        return judged(run, self.data[index], self.weights, self.tables, outputs)


def _owners(net: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    return [(m, name, b) for m in net.modules() for name, b in m._buffers.items() if b is not None]


def _rest(net: nn.Module) -> bytes | int:
    """What a module holds besides parameters and buffers: equal where one module can stand for another."""
    known = ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set")
    rest = [{k: v for k, v in vars(m).items() if k not in known and "hook" not in k} for m in net.modules()]
    try:
        return pickle.dumps(rest)
    except Exception:  # whatever cannot be pickled may be different in each
        return id(net)


def gradient(
    outputs: Callable[[Mapping[str, Tensor]], Tensor],
    loss: Loss,
    leaves: Mapping[str, Tensor],
    b: Batch,
    out: Mapping[str, Tensor],
) -> Tensor:
    """out [run, ...] <- gradients of the mean loss at the weights `leaves` [run, ...]; returns the losses [run].

    `outputs` makes the network's outputs [run, n, q] of its named weights.
    """
    with torch.enable_grad():
        made = outputs(leaves)
    values, slopes = evaluate(loss, made.detach(), b.target)
    grads = torch.autograd.grad(made, list(leaves.values()), slopes.mul_(b.share[..., None]), materialize_grads=True)
    for view, grad in zip(out.values(), grads, strict=True):
        view.copy_(grad)
    return (values * b.share).sum(-1)


def judged(
    run: Prepared,
    data: StageData,
    weights: Tensor,
    tables: dict[tuple[int, bytes], tuple[Tensor, ...]],
    outputs: Callable[[Sequence[Tensor]], Tensor],
) -> Tensor:
    """[n, q] what `outputs` makes of all examples of the run's task; 0 where one is neither trained on nor judged.

    `tables` keeps the examples on the device, for runs that share them.
    """
    rows = data.judged
    key = (id(run.task), rows.tobytes())
    if key not in tables:
        parts = (torch.from_numpy(rows), *tensors(run.task, rows, run.task.targets, weights.dtype)[:-1])
        tables[key] = tuple(x.to(weights.device)[None] for x in parts)
    places, *inputs = tables[key]
    found = weights.new_zeros(len(run.task), run.task.outputs)
    with torch.no_grad():
        for start in range(0, len(rows), CHUNK):
            some = [x[:, start : start + CHUNK] for x in inputs]
            found[places[0, start : start + CHUNK]] = outputs(some)[0]
    return found


@functools.lru_cache(maxsize=64)
def saved_numbers(run: Prepared) -> int:
    """Numbers that autograd keeps of one example between the forward and the backward pass."""
    net, counted = build(run.config, run.task).eval(), 0

    def count(x: Tensor) -> Tensor:
        nonlocal counted
        counted += 0 if isinstance(x, nn.Parameter) or x._base is not None else x.numel()
        return x

    inputs: list[Any] = list(tensors(run.task, np.arange(1), run.task.targets, torch.float32)[:-1])
    with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
        net(*inputs)
    return counted + sum(x.numel() for x in inputs)
