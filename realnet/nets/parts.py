"""Small parts that networks are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ACTIVATIONS", "weights"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu, "tanh": torch.tanh}
"""elementwise; `gelu` is the exact one"""


def weights(**shapes: tuple[int, ...]) -> Any:
    """A module that holds parameters of these shapes under these names, at 0 until they are filled."""
    holder = nn.Module()
    for name, shape in shapes.items():
        holder.register_parameter(name, nn.Parameter(torch.zeros(shape)))
    return holder
