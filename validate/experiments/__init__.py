"""Which runs are trained: settings (a network and a task) and kinds of run, gathered in profiles."""

from validate.experiments.design import Block, Experiment, Profile, Setting, experiments
from validate.experiments.profiles import PROFILES

__all__ = ["PROFILES", "Block", "Experiment", "Profile", "Setting", "experiments"]
