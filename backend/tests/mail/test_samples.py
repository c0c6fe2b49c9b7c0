"""The examples that `ostiary mail preview` shows tell what the mails themselves tell."""

from datetime import timedelta

import pytest

from app.mail.messages import (
    AddressChangeNotice,
    ConfirmNewAddress,
    Expiring,
    Invitation,
    ResetPassword,
    SecurityNotice,
    SignInCode,
    VerifyAddress,
)
from app.mail.samples import samples
from app.services.mailed import address, invitations, notices, reset, sign_in, verification
from tests.conftest import settings_for

VALID_FOR = {
    AddressChangeNotice: notices.VALID_FOR,
    ConfirmNewAddress: address.VALID_FOR,
    Invitation: invitations.VALID_FOR,
    ResetPassword: reset.VALID_FOR,
    SecurityNotice: notices.VALID_FOR,
    SignInCode: sign_in.VALID_FOR,
    VerifyAddress: verification.VALID_FOR,
}
EXPIRING = [each for each in samples(settings_for("sqlite:///nothing.db")) if isinstance(each, Expiring)]


def test_there_is_an_example_of_every_mail_that_ends() -> None:
    assert {type(each) for each in EXPIRING} == set(VALID_FOR)


@pytest.mark.parametrize(
    ("told", "is_so"), [pytest.param(each.valid_for, VALID_FOR[type(each)], id=each.kind) for each in EXPIRING]
)
def test_an_example_tells_how_long_the_mail_counts(told: timedelta, is_so: timedelta) -> None:
    """Whoever translates a mail reads there what its readers will read."""
    assert told == is_so
