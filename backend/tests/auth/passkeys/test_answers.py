"""What a browser says of its new passkey beside what the device has signed."""

from typing import Any

import pytest

from app.auth.passkeys.answers import says_discoverable
from tests.auth.passkeys.scene import creation, device


@pytest.mark.parametrize("keeps", [True, False])
def test_a_browser_says_whether_its_passkey_can_be_found(keeps: bool) -> None:
    """WA-16."""
    assert says_discoverable(device(keeps_discoverable=keeps).create(creation())) is keeps


@pytest.mark.parametrize(
    "results",
    [None, [], "credProps", {}, {"credProps": None}, {"credProps": []}, {"credProps": {}}]
    + [{"credProps": {"rk": odd}} for odd in (None, 1, "true", [True], {"rk": True})],
)
def test_whoever_does_not_say_yes_has_said_no(results: Any) -> None:
    """WA-16, WA-18: whatever stands there instead is no answer, and refuses nothing."""
    assert says_discoverable({"clientExtensionResults": results}) is False
    assert says_discoverable({}) is False
