"""Three ingredients, less one: without a more efficient Gen there is no generalisation.

Claim: with the efficiencies exchanged (η_gen = 1/2, η_mem = 1) and all else equal the network memorises for good.
Source: Varma et al. 2023, figure 2 (middle) and appendix C; model.md 3.
"""

from matplotlib.figure import Figure

import toymodel as tm

from .ingredients import panels

CAPTION = """
Gen less efficient than Mem (η_gen = 1/2, η_mem = 1, all else as in three_ingredients_all): {behaviour}. The training
set is fitted from flow time {t_fit} on. Gen gets a share (W_gen = {gen_logit} against W_mem = {mem_logit} nats at the
end) but never the lead, and the test loss ends at {test_loss} nats, above chance (ln 113 = 4.73). n = {n} run of
gradient flow.
"""


def draw() -> tuple[Figure, dict[str, object]]:
    """Losses, logits and norms with the efficiencies exchanged."""
    return panels(tm.simulate(gen_efficiency=0.5, mem_efficiency=1.0))
