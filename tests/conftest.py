"""What every test shares: hypothesis settings.  Profile "ci" (the default) repeats itself; "search" looks further:

python -m pytest --hypothesis-profile=search
"""

from hypothesis import HealthCheck, settings

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=40, suppress_health_check=QUIET)
settings.register_profile("search", deadline=None, max_examples=2000, suppress_health_check=QUIET)
settings.load_profile("ci")
