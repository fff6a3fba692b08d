"""The hot loops: one point of the model, in scalar arithmetic over sequences of length n (one entry a circuit,
generalising circuits first).

The text is plain Python, so that `simulate` runs it as it stands.  `sweep` imports the same folder once more under
the name `toymodel.compiled`, where every function is compiled by numba: one text, two speeds.

    equations  logits, slopes, Jacobian solve, event margins      model.md (2.2), (2.4), (3.1), (3.6), (3.7)
    wall       the wall at W = 0, or at a floor                   (3.9)
    rodas      one Rosenbrock step                                (3.6), (3.7)
    flow       gradient flow from 0 to t_end, events on the way   (3.2), (3.6)
    descent    the paper's gradient descent                       (3.3)
    limit      where the flow ends                                (4.1), (4.2), (4.3)
    points     a block of points, one after the other
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

if __name__.endswith(".compiled"):
    import numba

    def jit(function: F) -> F:
        """Compile with numba: without the GIL, so that threads share a sweep; cached, so that it happens once."""
        compiled: Any = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})(function)
        return cast(F, compiled)
else:

    def jit(function: F) -> F:
        """Leave the function as it is."""
        return function
