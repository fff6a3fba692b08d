"""What every error says: the requirement, the value received and a remedy."""

import re
from typing import Any

import pytest

# How a remedy begins: an imperative, or an offer.
REMEDY = (
    "Choose|Pass|Leave|Did you mean|Give|Lower|Build|Sort|Drop|Measure|Write|Try|To try|Divide|For a|For an|Use|Start above|"
    "merge|Train|Swap"
)


def refused(error: type[Exception] | tuple[type[Exception], ...], required: str, received: str, call: Any) -> str:
    """Asserts that `call()` raises `error`, with the three parts of a message; returns the message."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert required in message, f"no requirement {required!r} in: {message}"
    assert received in message, f"no value {received!r} in: {message}"
    assert re.search(rf"[.;] ({REMEDY})\b", message), f"no remedy in: {message}"
    return message
