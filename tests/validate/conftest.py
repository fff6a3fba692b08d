"""The laboratory that most predictions are tried in."""

import pytest

from tests.validate.laboratory import Lab, mixtures, singles


@pytest.fixture
def lab() -> Lab:
    found = Lab()
    singles(found, noise=0.003)
    mixtures(found)
    mixtures(found, "base/ungrokking_coupled", seeds=5)
    return found
