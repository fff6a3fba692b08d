"""Any network, by its own module: what every faster path must agree with.

A stack of runs goes through `torch.func`: vmap(functional_call), and autograd for the gradient.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from realnet.config import RunConfig
from realnet.engine.batch import Batch
from realnet.examples import task_of
from realnet.losses import Loss, evaluate
from realnet.nets.layout import build

__all__ = ["Forward", "gradient", "saved_numbers"]


class Forward:
    """Outputs [run, n, q] of a stack: weights are tensors [run, ...] by name, inputs [run, n, ...]."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.one_by_one = False

    def __call__(self, weights: Mapping[str, Tensor], inputs: tuple[Tensor, ...]) -> Tensor:
        runs = len(inputs[0])
        if runs > 1 and not self.one_by_one:
            try:
                return vmap(self._run)(dict(weights), *inputs)
            except (RuntimeError, NotImplementedError, ValueError):
                self.one_by_one = True  # LSTMs, say, are not known to vmap; an error of the net's own comes again below
        outputs = [self._run({k: v[i] for k, v in weights.items()}, *(x[i] for x in inputs)) for i in range(runs)]
        return outputs[0][None] if runs == 1 else torch.stack(outputs)

    def _run(self, weights: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        output: Tensor = functional_call(self.net, weights, inputs)
        return output


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


@functools.lru_cache(maxsize=64)
def saved_numbers(config: RunConfig) -> int:
    """Numbers that autograd keeps of one example between the forward and the backward pass."""
    task, net = task_of(config), build(config).requires_grad_()
    counted = 0

    def count(x: Tensor) -> Tensor:
        nonlocal counted
        counted += 0 if isinstance(x, nn.Parameter) or x._base is not None else x.numel()
        return x

    inputs: list[Any] = [torch.from_numpy(x[:1]) for x in task.inputs]
    inputs = [x.float() if x.is_floating_point() else x.long() for x in inputs]
    with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
        net(*inputs)
    return counted + sum(x.numel() for x in inputs)
