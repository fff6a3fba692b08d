"""Which runs are trained: settings (a network and a task) and kinds of run, gathered in profiles."""

from validate.experiments.design import KINDS, Block, Experiment, Profile, Setting, experiments
from validate.experiments.profiles import PROFILES

__all__ = ["KINDS", "PROFILES", "Block", "Experiment", "Profile", "Setting", "experiments"]
