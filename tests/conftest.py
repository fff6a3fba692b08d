"""What every test shares: hypothesis settings.  Profile "ci" (the default) repeats itself; "search" looks further:

python -m pytest --hypothesis-profile=search
"""

from hypothesis import HealthCheck, Phase, settings

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
# A failure in CI is reported as drawn: shrinking takes minutes, and "search" does it.
UNSHRUNK = [Phase.explicit, Phase.generate]
settings.register_profile(
    "ci", deadline=None, derandomize=True, max_examples=40, suppress_health_check=QUIET, phases=UNSHRUNK
)
settings.register_profile("search", deadline=None, max_examples=2000, suppress_health_check=QUIET)
settings.load_profile("ci")
