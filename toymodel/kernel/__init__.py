"""The hot loops, for `lanes` points side by side.

Vectors are flat: entry i * lanes + k belongs to circuit i (generalising first) of the point in lane k.  Lanes never read
each other, so a point's result does not depend on its neighbours.

The text is plain Python, so that `simulate` runs it as it stands, in one lane.  `sweep` imports the same folder once more
under the name `toymodel.compiled`, where numba compiles every function and loops over lanes become vector instructions:
one text, two speeds.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
COMPILED = __name__.endswith(".compiled")

if COMPILED:
    import numba

    # No GIL, so that threads share a sweep.  The kernel owns no memory, so numba need not count references to the rows
    # that it works on (_nrt), which took half the time.
    OPTIONS: dict[str, Any] = {
        "cache": True,
        "nogil": True,
        "error_model": "numpy",
        "fastmath": {"contract"},
        "_nrt": False,
    }

    def jit(function: F) -> F:
        """Compile with numba."""
        compiled: Any = numba.njit(**OPTIONS)(function)
        return cast(F, compiled)
else:

    def jit(function: F) -> F:
        """Leave the function as it is."""
        return function
