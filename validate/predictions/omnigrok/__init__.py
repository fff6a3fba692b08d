"""The predictions O1 to O10 of and about the rival theory; their columns are tasks."""

from validate.predictions.omnigrok.o01_landscape import O1, O6
from validate.predictions.omnigrok.o02_times import O2A, O2B, O3, O4
from validate.predictions.omnigrok.o05_forecast import O5
from validate.predictions.omnigrok.o07_scale import O7, O8
from validate.predictions.omnigrok.o09_images import O9A, O9B, O9C
from validate.predictions.omnigrok.o10_collapse import O10

__all__ = ["OMNIGROK"]

OMNIGROK = {p.id: p for p in (O1, O2A, O2B, O3, O4, O5, O6, O7, O8, O9A, O9B, O9C, O10)}
"""In the order of the report"""
