"""Speed, measured as ratios to a named baseline in the same run.  `python -m tests.benchmarks [NAME ...]`."""
