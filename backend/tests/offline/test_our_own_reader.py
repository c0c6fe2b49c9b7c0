"""The strict reader of our relying party, fed with real tokens of a provider that goes wrong."""

from datetime import UTC, datetime

import pytest

from app.auth.jwks import read_jwks
from app.auth.oidc.id_token import Identity, IdTokenRejected, read_id_token
from app.auth.oidc.provider import Provider, read_metadata
from app.offline.testing import ADA, Fault, RunningProvider, Visitor
from tests.offline.flows import CLIENT, NONCE, Shop

REFUSED = [
    *(Fault.WRONG_AUD, Fault.WRONG_ISS, Fault.WRONG_AZP, Fault.FURTHER_AUD, Fault.WRONG_NONCE, Fault.MISSING_NONCE),
    *(Fault.WRONG_AT_HASH, Fault.EXPIRED, Fault.ISSUED_IN_FUTURE, Fault.EMPTY_SUB),
    *(Fault.WRONG_ALG, Fault.NONE_ALG, Fault.HS256_WITH_PUBLIC_KEY, Fault.WRONG_KID),
]


def as_configured(running: RunningProvider) -> Provider:
    return Provider(
        name="google",
        issuers=(running.issuer,),
        client_id=CLIENT.client_id,
        client_secret=CLIENT.client_secret,
        audiences=(CLIENT.client_id,),
    )


async def identity(running: RunningProvider, visitor: Visitor) -> Identity:
    """Go through a whole flow, and return what our own reader makes of the ID token."""
    shop = Shop(running, visitor.http)
    tokens = await shop.tokens(visitor)
    provider = as_configured(running)
    metadata = await visitor.http.get(f"{running.issuer}/.well-known/openid-configuration")
    jwks = await visitor.http.get(read_metadata(metadata.json(), provider).jwks_uri)
    return read_id_token(
        tokens["id_token"],
        provider=provider,
        audiences=provider.audiences,
        keys=read_jwks(jwks.json()),
        nonce=NONCE,
        access_token=tokens["access_token"],
        now=datetime.now(UTC),
    )


async def test_a_good_token_says_who_came(google: RunningProvider, visitor: Visitor) -> None:
    """ID-01."""
    ada = await identity(google, visitor)
    assert (ada.issuer, ada.subject, ada.email) == (google.issuer, ADA.subject, ADA.email)
    assert ada.email_verified


@pytest.mark.parametrize("fault", REFUSED, ids=str)
async def test_a_token_that_is_wrong_is_refused(google: RunningProvider, visitor: Visitor, fault: Fault) -> None:
    """ID-01, ID-02, JW-01, JW-02, JW-04: one token for each defect, made by a provider that is otherwise sound."""
    google.faults.switch_on(fault)
    with pytest.raises(IdTokenRejected):
        await identity(google, visitor)


async def test_what_may_change_does_change(google: RunningProvider, visitor: Visitor) -> None:
    """ID-03, ID-05: nothing here is a mistake of form; it is for the linking to judge."""
    google.faults.switch_on(Fault.CHANGED_ADDRESS, Fault.UNVERIFIED, Fault.KEY_ROLL)
    ada = await identity(google, visitor)
    assert (ada.subject, ada.email, ada.email_verified) == (ADA.subject, "new.ada@example.com", False)
    google.faults.switch_off()
    google.faults.switch_on(Fault.CHANGED_SUB)
    other = await identity(google, visitor)
    assert (other.subject == ADA.subject, other.email) == (False, ADA.email)
