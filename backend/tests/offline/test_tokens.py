from typing import Any

import httpx2
import pytest

from app.offline.testing import ADA, Client, Person, RunningProvider, Visitor, answer_in
from tests.offline.flows import REDIRECT_URI, Shop, address_of

CALENDAR = "https://www.googleapis.com/auth/calendar.readonly"


@pytest.fixture
def shop(google: RunningProvider, visitor: Visitor) -> Shop:
    return Shop(google, visitor.http)


async def userinfo(shop: Shop, token: str) -> httpx2.Response:
    return await shop.http.get(f"{shop.provider.issuer}/userinfo", headers={"Authorization": f"Bearer {token}"})


async def revoke(shop: Shop, token: str) -> httpx2.Response:
    return await shop.http.post(f"{shop.provider.issuer}/revoke", data={"token": token})


async def refresh(shop: Shop, tokens: dict[str, Any], **form: str) -> httpx2.Response:
    return await shop.ask(grant_type="refresh_token", refresh_token=tokens["refresh_token"], **form)


async def test_userinfo_says_what_the_id_token_says(visitor: Visitor, shop: Shop) -> None:
    """ID-04."""
    tokens = await shop.tokens(
        visitor, Person(email="ada@example.com", name="Ada King Noel", hosted_domain="example.com")
    )
    response = await userinfo(shop, tokens["access_token"])
    claims = await shop.read(tokens["id_token"])
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "sub": ADA.subject,
        "hd": "example.com",
        "email": "ada@example.com",
        "email_verified": True,
        "name": "Ada King Noel",
        "given_name": "Ada",
        "family_name": "King Noel",
    }
    assert response.json().items() <= claims.items()


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer x", "Basic x", "", "Bearer é".encode()])
async def test_userinfo_wants_an_access_token(
    google: RunningProvider, visitor: Visitor, header: str | bytes | None
) -> None:
    """RFC 6750, section 3."""
    headers = [] if header is None else [("Authorization", header)]
    response = await visitor.http.get(f"{google.issuer}/userinfo", headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_no_other_token_passes_for_an_access_token(visitor: Visitor, shop: Shop) -> None:
    """3.4-09: nor does any of them pass for a code."""
    tokens = await shop.tokens(visitor, access_type="offline")
    for name in ("id_token", "refresh_token"):
        assert (await userinfo(shop, tokens[name])).status_code == 401
        assert (await shop.exchange(tokens[name])).json()["error"] == "invalid_grant"
    swapped = {"refresh_token": tokens["access_token"]}
    assert (await refresh(shop, swapped)).json()["error"] == "invalid_grant"


async def test_an_access_token_in_the_query_is_not_taken(visitor: Visitor, shop: Shop) -> None:
    """OA-15."""
    tokens = await shop.tokens(visitor)
    address = f"{shop.provider.issuer}/userinfo"
    assert (await shop.http.get(address, params={"access_token": tokens["access_token"]})).status_code == 401


async def test_a_refresh_token_comes_only_when_it_was_asked_for(visitor: Visitor, shop: Shop) -> None:
    assert "refresh_token" not in await shop.tokens(visitor)
    assert "refresh_token" not in await shop.tokens(visitor, access_type="online")
    assert "refresh_token" in await shop.tokens(visitor, access_type="offline")


async def test_a_refresh_gives_another_access_token_for_the_same_person(visitor: Visitor, shop: Shop) -> None:
    """OpenID Connect Core 1.0, section 12.2: the ID token has no nonce, and is about the same person."""
    tokens = await shop.tokens(visitor, access_type="offline")
    for _ in range(2):
        response = await refresh(shop, tokens)
        assert response.status_code == 200
        fresh = response.json()
        assert set(fresh) == {"access_token", "expires_in", "scope", "token_type", "id_token"}
        assert fresh["access_token"] != tokens["access_token"]
        assert (await userinfo(shop, fresh["access_token"])).json()["sub"] == ADA.subject
        claims = await shop.read(fresh["id_token"])
        assert claims["sub"] == ADA.subject
        assert "nonce" not in claims


async def test_a_refresh_may_narrow_the_scope_and_never_widens_it(visitor: Visitor, shop: Shop) -> None:
    """OA-12."""
    tokens = await shop.tokens(visitor, access_type="offline")
    narrow = (await refresh(shop, tokens, scope="openid")).json()
    assert narrow["scope"] == "openid"
    assert (await userinfo(shop, narrow["access_token"])).json() == {"sub": ADA.subject, "hd": ADA.hosted_domain}
    wide = await refresh(shop, tokens, scope=f"openid {CALENDAR}")
    assert (wide.status_code, wide.json()["error"]) == (400, "invalid_scope")


async def test_a_refresh_token_of_another_application_is_unknown(visitor: Visitor, shop: Shop) -> None:
    """OA-12."""
    tokens = await shop.tokens(visitor, access_type="offline")
    other = shop.provider.register(Client(client_id="other", client_secret="its secret", redirect_uris=(REDIRECT_URI,)))
    response = await refresh(Shop(shop.provider, visitor.http, other), tokens)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_a_revoked_token_ends_all_of_its_grant(visitor: Visitor, shop: Shop, which: str) -> None:
    """RFC 7009: also what was narrowed on the way; and consent is asked for again."""
    tokens = await shop.tokens(visitor, access_type="offline")
    narrow = (await refresh(shop, tokens, scope="openid")).json()
    assert (await revoke(shop, tokens[which])).status_code == 200
    for access_token in (tokens["access_token"], narrow["access_token"]):
        assert (await userinfo(shop, access_token)).status_code == 401
    assert (await refresh(shop, tokens)).json()["error"] == "invalid_grant"
    answer = answer_in(await visitor.sign_in(address_of(shop.provider, prompt="none")))
    assert answer["error"] == "consent_required"


async def test_revoking_what_nobody_knows_is_no_mistake(shop: Shop) -> None:
    """RFC 7009, section 2.2."""
    assert (await revoke(shop, "unknown")).status_code == 200
    missing = await revoke(shop, "")
    assert (missing.status_code, missing.json()["error"]) == (400, "invalid_request")


async def test_scopes_grow_step_by_step(visitor: Visitor, shop: Shop) -> None:
    """Google's incremental authorisation: what was granted before comes along when the application asks for it so."""
    await shop.tokens(visitor, scope=f"openid email {CALENDAR}")
    alone = await shop.tokens(visitor, scope="openid profile")
    assert alone["scope"] == "openid profile"
    together = await shop.tokens(visitor, scope="openid profile", include_granted_scopes="true")
    assert set(together["scope"].split()) == {"openid", "profile", "email", CALENDAR}
