"""Which figure stands behind which prediction.

A plot gets the prediction's plain verdict (one of `verdicts.data`'s predictions) and the results, and returns a Picture.
Predictions may share one: the report then draws it once. It raises MissingResult where the runs it shows are not there.
"""

from validate.drawing import Plot
from validate.plots_size import ends, norms, scratch
from validate.plots_time import gap, grokking_times, ungrokking_times

__all__ = ["PLOTS"]

PLOTS: dict[str, Plot] = {
    "P1a": norms,
    "P1b": norms,
    "P2": ends,
    "P3": ends,
    "P4": scratch,
    "P5": grokking_times,
    "P6": ungrokking_times,
    "P7": gap,
}
