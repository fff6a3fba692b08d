"""Teacher and student: a network is to imitate another one of the same kind (Liu et al. 2022, arXiv 2210.01117, fig. 2).

The teacher has tanh units, biases and PyTorch's default initialisation: uniform within ±1/sqrt(fan-in).
"""

from __future__ import annotations

import itertools

import numpy as np

from realnet.fields import require
from realnet.tasks.task import DATA, Task

__all__ = ["teacher"]


def teacher(
    seed: int,
    examples: int = 200,
    inputs: int = 5,
    outputs: int = 5,
    teacher_width: int = 100,
    teacher_layers: int = 2,
    tolerance: float = 0.01,
) -> Task:
    """Inputs x ~ N(0, 1) [examples, inputs] and what the teacher makes of them [examples, outputs].

    An example counts as correct if its squared error, mean over outputs, is below `tolerance` (0.01 in the paper's text,
    0.001 in its code). Inputs and teacher are drawn from `seed` by streams of their own.
    Errors: ConfigError for sizes below 1 or a tolerance that is not above 0.
    """
    sizes = {"examples": examples, "inputs": inputs, "outputs": outputs, "teacher_width": teacher_width}
    for name, value in (sizes | {"teacher_layers": teacher_layers}).items():
        ok = isinstance(value, int) and value >= 1
        require(ok, f"{name} must be an integer, at least 1", value, f"Choose another {name} in options.")
    require(tolerance > 0, "tolerance must be greater than 0", tolerance, "The paper's is 0.01.")
    x = np.random.default_rng([seed, DATA, 0]).standard_normal((examples, inputs))
    rng, r = np.random.default_rng([seed, DATA, 1]), x
    widths = [inputs] + [teacher_width] * teacher_layers + [outputs]
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        bound = before**-0.5
        r = r @ rng.uniform(-bound, bound, (before, after)) + rng.uniform(-bound, bound, after)
        r = np.tanh(r) if i < teacher_layers else r
    return Task((x,), r, tolerance=tolerance)
