"""Three ingredients, less another: without a slow Gen the test loss falls from the start.

Claim: with equal learning speeds (s_gen = s_mem = 1) there is no memorising plateau: the test loss falls together
with the train loss and is never above chance. Some delay remains, so that the vocabulary of model.md 7 still says
grokking.
Source: Varma et al. 2023, figure 2 (right) and appendix C; model.md 3.
"""

import numpy as np
from matplotlib.figure import Figure

import toymodel as tm

from .ingredients import panels

CAPTION = """
Gen learned as fast as Mem, all else as in three_ingredients_all. The test loss is never above chance (largest
{largest_test_loss} nats). A delay remains: the train loss is below a tenth of chance from flow time {t_fit} on, the
test loss from {t_gen} on, {delay} times as late: still {behaviour}, there a factor {delay_all}. n = {n} run of
gradient flow.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """Losses, logits and norms with equal learning speeds."""
    tr, default = tm.simulate(gen_learning_speed=1.0), tm.simulate()
    fig, numbers = panels(tr)
    delays = {"delay": tr, "delay_all": default}
    return fig, numbers | {key: (run.t_gen or np.nan) / (run.t_fit or np.nan) for key, run in delays.items()}
