"""Numbers with intervals over seeds: means, thresholds, times that some runs never reach, and the power of a rule."""
