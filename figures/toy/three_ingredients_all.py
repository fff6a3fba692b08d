"""Three ingredients, all present: the toy model groks.

Claim: with a generalising circuit that is more efficient and learned more slowly than the memorising one, training
fits first and generalises much later.
Source: Varma et al. 2023, figure 2 (left) and appendix C; model.md 2 and 3.
"""

from matplotlib.figure import Figure

import toymodel as tm

from .ingredients import panels

CAPTION = """
All three ingredients (the paper's parameters, penalty halved): {behaviour}. The train loss is below a tenth of chance
from flow time {t_fit} on, the test loss from {t_gen} on; in between it rises to {largest_test_loss} nats, far above
chance. Gen takes the lead at {t_cross} and the run ends at W_gen = {gen_logit}, W_mem = {mem_logit} nats, ratio 8 as
(4.1) predicts. n = {n} run of gradient flow; time = learning rate × steps.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """Losses, logits and norms of the default run."""
    return panels(tm.simulate())
