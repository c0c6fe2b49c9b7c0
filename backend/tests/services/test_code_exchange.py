"""Tokens for a code, fresh ones, the person behind them, and their end: what is sent, and which answers count."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest
from structlog.testing import capture_logs

from app.auth.oidc.provider import Provider, ProviderMetadata
from app.exceptions import AppException, ProviderFailed, ProviderUnavailable
from app.services.federation.exchange import (
    LONGEST_LIFETIME_SECONDS,
    AccessAnswer,
    CodeGrant,
    TokenAnswer,
    exchange_code,
    fetch_userinfo,
    refresh,
    revoke,
)
from app.services.federation.outbound import Outbound, TimeLimits
from tests import misbehaving as fault
from tests.misbehaving import Misbehaving, Question, Reply, misbehaving

SECRET = "a secret: 100% ours/ü+"
GRANT = CodeGrant(code="the-code", verifier="the-verifier", redirect_uri="https://us.example.com/callback")
TOKENS: dict[str, Any] = {
    "id_token": "the.id.token",
    "access_token": "the-access-token",
    "token_type": "Bearer",
    "expires_in": 3599,
    "refresh_token": "the-refresh-token",
    "scope": "openid email https://www.googleapis.com/auth/drive.file",
}
PERSON = {"sub": "248289761001", "email": "jane@example.com", "email_verified": True}


@dataclass
class Door:
    """A provider that answers as a test tells it to, and who asks it."""

    server: Misbehaving
    outbound: Outbound
    metadata: ProviderMetadata
    provider: Provider

    async def exchange(self, reply: Reply | None = None) -> TokenAnswer:
        self.server.replies["/token"] = reply or fault.says(TOKENS)
        return await exchange_code(self.outbound, self.metadata, self.provider, GRANT)

    async def refresh(self, reply: Reply | None = None, *scopes: str) -> AccessAnswer:
        self.server.replies["/token"] = reply or fault.says(TOKENS)
        return await refresh(
            self.outbound, self.metadata, self.provider, refresh_token="the-refresh-token", scopes=scopes
        )

    async def userinfo(self, reply: Reply, subject: str = PERSON["sub"]) -> dict[str, Any]:  # type: ignore[assignment]
        self.server.replies["/userinfo"] = reply
        answer = await fetch_userinfo(
            self.outbound, self.metadata, self.provider, access_token="the-access-token", subject=subject
        )
        return dict(answer)

    async def revoke(self, reply: Reply) -> None:
        self.server.replies["/revoke"] = reply
        endpoint = f"{self.server.url}/revoke"
        await revoke(self.outbound, self.metadata, self.provider, endpoint=endpoint, token="the-refresh-token")

    @property
    def asked(self) -> Question:
        return self.server.questions[-1]

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.asked.body.decode(), strict_parsing=True)


@pytest.fixture(scope="module")
async def outbound() -> AsyncIterator[Outbound]:
    client = Outbound(allow_loopback_http=True, limits=TimeLimits(connect=20, read=20, total=60))
    yield client
    await client.close()


@pytest.fixture
async def door(outbound: Outbound) -> AsyncIterator[Door]:
    async with misbehaving() as server:
        metadata = ProviderMetadata(
            issuer=server.url,
            authorization_endpoint=f"{server.url}/authorize",
            token_endpoint=f"{server.url}/token",
            jwks_uri=f"{server.url}/keys",
            userinfo_endpoint=f"{server.url}/userinfo",
            issuer_in_response=True,
            secret_in_body=False,
            algorithms=("RS256",),
        )
        provider = Provider("acme", (server.url,), "us:ünd", SECRET, ("us:ünd",))
        yield Door(server, outbound, metadata, provider)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in TOKENS.items() if key != name}


# The code.


async def test_a_code_is_exchanged_for_tokens(door: Door) -> None:
    """RFC 6749, section 4.1.3; RFC 7636, section 4.5."""
    answer = await door.exchange()
    assert (door.asked.method, door.asked.path) == ("POST", "/token")
    assert door.form == {
        "grant_type": ["authorization_code"],
        "code": ["the-code"],
        "redirect_uri": ["https://us.example.com/callback"],
        "code_verifier": ["the-verifier"],
    }
    assert answer == TokenAnswer(
        id_token="the.id.token",
        access_token="the-access-token",
        refresh_token="the-refresh-token",
        expires_in=timedelta(seconds=3599),
        scopes=("openid", "email", "https://www.googleapis.com/auth/drive.file"),
    )


async def test_what_a_provider_may_leave_out_is_left_open(door: Door) -> None:
    """ID-09: nothing is defaulted; whoever asked knows what an absent scope means (RFC 6749, section 5.1)."""
    document = {name: TOKENS[name] for name in ("id_token", "access_token")} | {"token_type": "bearer"}
    answer = await door.exchange(fault.says(document))
    assert (answer.refresh_token, answer.expires_in, answer.scopes) == (None, None, None)


async def test_the_secret_goes_into_the_header_in_its_encoding(door: Door) -> None:
    """RFC 6749, section 2.3.1: in the form encoding, so that a colon in the id does not end it."""
    await door.exchange()
    kind, _, encoded = door.asked.headers["authorization"].partition(" ")
    pair = base64.b64decode(encoded).decode("ascii")
    assert kind == "Basic"
    assert [unquote_plus(part) for part in pair.split(":")] == ["us:ünd", SECRET]
    assert not {"client_id", "client_secret"} & door.form.keys()


async def test_the_secret_goes_into_the_form_where_the_provider_asks_for_it_there(door: Door) -> None:
    """RFC 6749, section 2.3.1: never in both places, and never into the address."""
    door.metadata = replace(door.metadata, secret_in_body=True)
    await door.exchange()
    assert (door.form["client_id"], door.form["client_secret"]) == (["us:ünd"], [SECRET])
    assert "authorization" not in door.asked.headers


@pytest.mark.parametrize(
    "document",
    [
        {},
        without("id_token"),
        without("access_token"),
        without("token_type"),
        {**TOKENS, "id_token": None},
        {**TOKENS, "id_token": ""},
        {**TOKENS, "id_token": ["the.id.token"]},
        {**TOKENS, "id_token": "the.id.token\r\nX: y"},
        {**TOKENS, "access_token": 0},
        {**TOKENS, "access_token": "with a space"},
        {**TOKENS, "access_token": "a" * 20_000},
        {**TOKENS, "token_type": "mac"},
        {**TOKENS, "token_type": ["Bearer"]},
        {**TOKENS, "expires_in": "3599"},
        {**TOKENS, "expires_in": True},
        {**TOKENS, "expires_in": 0},
        {**TOKENS, "expires_in": -1},
        {**TOKENS, "expires_in": 3599.5},
        {**TOKENS, "expires_in": None},
        {**TOKENS, "expires_in": LONGEST_LIFETIME_SECONDS + 1},
        {**TOKENS, "refresh_token": None},
        {**TOKENS, "refresh_token": {}},
        {**TOKENS, "scope": ["openid"]},
        {**TOKENS, "scope": ""},
        {**TOKENS, "scope": "openid  email"},
        {**TOKENS, "scope": "openid\temail"},
    ],
    ids=lambda document: json.dumps(document)[-60:],
)
async def test_an_answer_with_a_member_missing_or_of_the_wrong_type_is_none(door: Door, document: object) -> None:
    """ID-09, 3.3-06: an error body that was read as a profile made everyone the same user elsewhere."""
    with pytest.raises(ProviderFailed) as caught:
        await door.exchange(fault.says(document))
    assert caught.value.reason == "incomplete"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(fault.says({"error": "invalid_grant"}, 400), "invalid_grant", id="a spent code"),
        pytest.param(fault.says({"error": "invalid_client"}, 401), "invalid_client", id="a wrong secret"),
        pytest.param(fault.says({**TOKENS, "error": "invalid_grant"}), "invalid_grant", id="tokens and an error"),
        pytest.param(fault.says({"error": "bad_verification_code"}), "refused", id="an error with status 200"),
        pytest.param(fault.raw(200, json.dumps(TOKENS).encode()[:-9]), "not_json", id="truncated"),
        pytest.param(
            fault.raw(200, b"access_token=a&id_token=b", content_type="application/x-www-form-urlencoded"),
            "not_json",
            id="a form",
        ),
        pytest.param(fault.redirect(307, "/other"), "redirected", id="a redirect that would carry the code on"),
        pytest.param(fault.gzip_bomb(), "compressed", id="a gzip bomb"),
    ],
)
async def test_a_refusal_is_a_failure_with_its_reason(door: Door, reply: Reply, expected: str) -> None:
    """ID-09, 3.3-06, 3.1-16"""
    with capture_logs() as logs, pytest.raises(ProviderFailed) as caught:
        await door.exchange(reply)
    assert caught.value.reason == expected
    assert logs == [
        {
            "event": "provider.failed",
            "log_level": "warning",
            "provider": "acme",
            "step": "exchange",
            "error_code": "PROVIDER_FAILED",
            "reason": expected,
            "cause": None,
        }
    ]
    assert len(door.server.questions) == 1


async def test_a_provider_that_is_down_is_not_one_that_refuses(door: Door) -> None:
    for reply in (fault.says({}, 500), fault.exactly(b"")):
        with pytest.raises(ProviderUnavailable):
            await door.exchange(reply)


def test_what_people_read_says_nothing_of_the_answer() -> None:
    failed, unavailable = ProviderFailed("invalid_grant"), ProviderUnavailable("status_500")
    for error in (failed, unavailable):
        assert isinstance(error, AppException)
        assert (error.message, error.members) == (error.title, {})
    assert (failed.status_code, unavailable.status_code) == (502, 503)
    assert unavailable.headers == {"Retry-After": "5"}


async def test_neither_grant_nor_answer_shows_its_secrets(door: Door) -> None:
    """Whatever prints them, such as a traceback with values."""
    shown = repr(GRANT) + repr(await door.exchange()) + repr(await door.refresh()) + repr(door.provider)
    for secret in ("the-code", "the-verifier", "the.id.token", "the-access-token", "the-refresh-token", SECRET):
        assert secret not in shown


# Fresh tokens.


async def test_a_refresh_token_gives_a_fresh_access_token(door: Door) -> None:
    """RFC 6749, section 6."""
    answer = await door.refresh(fault.says({"access_token": "fresh", "token_type": "Bearer", "expires_in": 60}))
    assert door.form == {"grant_type": ["refresh_token"], "refresh_token": ["the-refresh-token"]}
    assert door.asked.headers["authorization"].startswith("Basic ")
    assert answer == AccessAnswer(
        access_token="fresh", refresh_token=None, expires_in=timedelta(minutes=1), scopes=None
    )


async def test_a_refresh_may_ask_for_fewer_scopes(door: Door) -> None:
    await door.refresh(None, "openid", "email")
    assert door.form["scope"] == ["openid email"]


async def test_withdrawn_consent_is_told_from_every_other_failure(door: Door) -> None:
    with pytest.raises(ProviderFailed) as caught:
        await door.refresh(fault.says({"error": "invalid_grant", "error_description": "Token revoked."}, 400))
    assert caught.value.reason == "invalid_grant"
    with pytest.raises(ProviderUnavailable):
        await door.refresh(fault.says({"error": "invalid_grant"}, 503))


# The person.


async def test_userinfo_is_what_the_provider_says_of_the_person(door: Door) -> None:
    assert await door.userinfo(fault.says(PERSON)) == PERSON
    assert (door.asked.method, door.asked.headers["authorization"]) == ("GET", "Bearer the-access-token")


@pytest.mark.parametrize(
    ("document", "subject"),
    [
        ({**PERSON, "sub": "somebody-else"}, PERSON["sub"]),
        ({"email": "jane@example.com"}, PERSON["sub"]),
        ({}, PERSON["sub"]),
        ({"sub": None}, PERSON["sub"]),
        ({"sub": ""}, ""),
        ({"sub": 0}, "0"),
        ({"sub": 248289761001}, PERSON["sub"]),
        ({"sub": [PERSON["sub"]]}, PERSON["sub"]),
    ],
    ids=str,
)
async def test_userinfo_about_anybody_else_is_refused(door: Door, document: object, subject: str) -> None:
    """ID-04, 3.3-06: who came is what the ID token says, and nothing may put another one in their place."""
    with pytest.raises(ProviderFailed) as caught:
        await door.userinfo(fault.says(document), subject)
    assert caught.value.reason == "wrong_subject"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(fault.says({**PERSON, "error": "invalid_token"}), "invalid_token", id="an error with status 200"),
        pytest.param(fault.says({}, 401, www_authenticate='Bearer error="invalid_token"'), "refused", id="refused"),
        pytest.param(fault.says(PERSON, content_type="application/jwt"), "not_json", id="a token"),
        pytest.param(fault.redirect(302, "/other"), "redirected", id="a redirect"),
        pytest.param(fault.endless(b" " * 4096), "too_large", id="without an end"),
    ],
)
async def test_userinfo_that_is_no_document_is_refused(door: Door, reply: Reply, expected: str) -> None:
    """ID-04, ID-09"""
    with pytest.raises(ProviderFailed) as caught:
        await door.userinfo(reply)
    assert caught.value.reason == expected
    assert len(door.server.questions) == 1


async def test_a_provider_without_userinfo_is_not_asked(door: Door) -> None:
    door.metadata = replace(door.metadata, userinfo_endpoint=None)
    with pytest.raises(ProviderFailed) as caught:
        await door.userinfo(fault.says(PERSON))
    assert caught.value.reason == "not_offered"
    assert door.server.questions == []


# The end.


async def test_a_token_is_ended_at_the_provider(door: Door) -> None:
    """RFC 7009, section 2.1."""
    await door.revoke(fault.raw(200, b"", content_type="text/plain"))
    assert (door.asked.method, door.form) == ("POST", {"token": ["the-refresh-token"]})
    assert door.asked.headers["authorization"].startswith("Basic ")


async def test_a_token_that_the_provider_does_not_know_has_ended(door: Door) -> None:
    """Google answers so for one that was revoked before."""
    with capture_logs() as logs:
        await door.revoke(fault.says({"error": "invalid_token"}, 400))
    assert logs == []


async def test_a_token_that_may_still_live_is_said_to(door: Door) -> None:
    with pytest.raises(ProviderFailed):
        await door.revoke(fault.says({"error": "unsupported_token_type"}, 400))
    with pytest.raises(ProviderUnavailable):
        await door.revoke(fault.says({}, 503))
