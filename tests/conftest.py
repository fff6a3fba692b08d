"""What every test shares: one thread, and hypothesis settings.

Profile "ci" (the default) repeats itself; "search" looks further: python -m pytest --hypothesis-profile=search
"""

import os

from hypothesis import HealthCheck, Phase, settings

# Networks as small as the tests' take ten times as long on two threads as on one where the threads meet other processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for processes that they started."""
    return (os.cpu_count() or 1) + 1


QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
# A failure in CI is reported as drawn: shrinking takes minutes, and "search" does it.
UNSHRUNK = [Phase.explicit, Phase.generate]
settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=40, suppress_health_check=QUIET, phases=UNSHRUNK
)
settings.register_profile("search", deadline=None, max_examples=2000, suppress_health_check=QUIET)
settings.load_profile("ci")
