"""The judge: the two-circuit theory's predictions, stated before the runs, against what was measured."""
