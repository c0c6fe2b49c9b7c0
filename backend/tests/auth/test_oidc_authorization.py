"""The question to the provider, and which answers belong to it."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.auth.oidc.authorization import (
    AnswerRejected,
    ProviderRefused,
    authorization_code,
    authorization_url,
)
from app.auth.oidc.flow import Flow, new_flow
from app.auth.oidc.provider import ProviderMetadata
from app.auth.transports import Transport
from tests.auth.provider import ISSUER, PROVIDER

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REDIRECT_URI = "https://accounts.example.com/api/v1/auth/example/callback"
METADATA = ProviderMetadata(
    issuer=ISSUER,
    authorization_endpoint="https://id.example.com/authorize",
    token_endpoint="https://id.example.com/token",
    jwks_uri="https://id.example.com/jwks",
    userinfo_endpoint=None,
    issuer_in_response=False,
    secret_in_body=False,
    algorithms=("RS256",),
)
NAMING = replace(METADATA, issuer_in_response=True)
OTHER = "https://evil.example"


def begin(provider: str = "example") -> Flow:
    return new_flow(provider, return_to="https://app.example.com/", transport=Transport.BEARER, now=NOW)


FLOW = begin()
ANSWER = {"state": FLOW.state, "code": "a code of the provider"}


def code_of(*, flow: Flow = FLOW, metadata: ProviderMetadata = METADATA, **answer: str | None) -> str:
    """Return the code of an answer that is right but for these changes; None leaves a parameter out."""
    pairs = [(name, value) for name, value in {**ANSWER, **answer}.items() if value is not None]
    return authorization_code(pairs, flow=flow, provider=PROVIDER, metadata=metadata)


def question(metadata: ProviderMetadata = METADATA, **extra: str) -> dict[str, str]:
    """Return the parameters of the question. None of them may come twice."""
    pairs = parse_qsl(urlsplit(authorization_url(metadata, PROVIDER, FLOW, REDIRECT_URI, **extra)).query)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


# The question.


def test_the_question_asks_for_a_code_with_everything_that_protects_it() -> None:
    """OA-01, OA-02, OA-10, S63, S64, S65"""
    assert question() == {
        "response_type": "code",
        "client_id": "our-client",
        "redirect_uri": REDIRECT_URI,
        "scope": "openid email profile",
        "state": FLOW.state,
        "nonce": FLOW.nonce,
        "code_challenge": FLOW.code_challenge,
        "code_challenge_method": "S256",
    }


def test_the_question_tells_neither_verifier_nor_client_secret() -> None:
    """OA-01, OA-19: the browser carries it, and its history keeps it."""
    url = authorization_url(METADATA, PROVIDER, FLOW, REDIRECT_URI)
    assert FLOW.verifier not in url
    assert PROVIDER.client_secret not in url


def test_the_endpoint_keeps_its_own_query() -> None:
    """RFC 6749, section 3.1"""
    tenant = replace(METADATA, authorization_endpoint="https://id.example.com/authorize?tenant=7")
    assert authorization_url(tenant, PROVIDER, FLOW, REDIRECT_URI).startswith(
        "https://id.example.com/authorize?tenant=7&"
    )
    assert question(tenant)["tenant"] == "7"


def test_a_provider_s_own_parameters_are_added_and_encoded() -> None:
    """3.6-03: whatever somebody puts into a hint, it stays one."""
    hint = "ada@example.com&state=evil#x"
    assert question(prompt="select_account", login_hint=hint)["login_hint"] == hint
    assert question(login_hint=hint)["state"] == FLOW.state


@pytest.mark.parametrize(
    "name", sorted(question().keys() - {"redirect_uri"} | {"response_mode", "request", "request_uri"})
)
def test_no_further_parameter_changes_the_question(name: str) -> None:
    """OA-01, OA-10, 3.3-12"""
    with pytest.raises(ValueError, match="change the question"):
        authorization_url(METADATA, PROVIDER, FLOW, REDIRECT_URI, **{name: "evil"})


# The answer.


def test_the_right_answer_gives_its_code() -> None:
    """OA-02: what is not defective is taken."""
    assert code_of() == "a code of the provider"
    assert code_of(scope="openid", session_state="x", authuser="0", hd="example.com") == "a code of the provider"


@pytest.mark.parametrize(
    "state",
    [None, "", "another", begin().state, FLOW.state[:-1], FLOW.state + "x", FLOW.nonce, "\ud800"],
    ids=["absent", "empty", "another", "of another flow", "cut", "longer", "the nonce", "no text"],
)
def test_a_state_that_is_not_the_flow_s_is_refused(state: str | None) -> None:
    """OA-02, OA-03, 3.3-10, 3.3-11: absent is wrong. An error does not help, nor does a missing code."""
    with pytest.raises(AnswerRejected):
        code_of(state=state)
    with pytest.raises(AnswerRejected):
        code_of(state=state, error="access_denied")
    with pytest.raises(AnswerRejected):
        code_of(state=state, code=None)


def test_a_flow_without_a_state_takes_no_answer() -> None:
    """OA-03, 3.3-11: absent on both sides is not equal."""
    for state in (None, ""):
        with pytest.raises(AnswerRejected):
            code_of(flow=replace(FLOW, state=""), state=state)


def test_a_flow_of_one_provider_takes_no_answer_at_another_s_door() -> None:
    """OA-05, 3.3-13: before any token request leaves."""
    elsewhere = begin("google")
    with pytest.raises(AnswerRejected):
        code_of(flow=elsewhere, state=elsewhere.state)
    with pytest.raises(AnswerRejected):
        code_of(metadata=replace(METADATA, issuer=OTHER))


@pytest.mark.parametrize("issuer", [OTHER, "", f"{ISSUER}/", ISSUER.upper(), "id.example.com"])
@pytest.mark.parametrize("metadata", [METADATA, NAMING], ids=["unannounced", "announced"])
def test_an_answer_of_another_issuer_is_refused(issuer: str, metadata: ProviderMetadata) -> None:
    """OA-05, IS-02: RFC 9207, section 2.4; for a provider that does not announce the parameter as well."""
    for error in (None, "access_denied"):
        with pytest.raises(AnswerRejected):
            code_of(metadata=metadata, iss=issuer, error=error)


def test_an_answer_names_its_issuer_where_that_is_promised() -> None:
    """OA-05, IS-02: RFC 9207, section 2.4."""
    assert code_of(metadata=NAMING, iss=ISSUER)
    assert code_of(metadata=METADATA, iss=ISSUER)
    for error in (None, "access_denied"):
        with pytest.raises(AnswerRejected):
            code_of(metadata=NAMING, error=error)


@pytest.mark.parametrize("code", [None, "", "x" * 2049, "é", "a\nb", "\x00", "\ud800"], ids=ascii)
def test_an_answer_without_a_plain_code_is_refused(code: str | None) -> None:
    """ID-09: nothing is guessed."""
    with pytest.raises(AnswerRejected):
        code_of(code=code)


@pytest.mark.parametrize("name", ["state", "code", "iss", "error", "scope"])
def test_a_parameter_that_came_twice_is_refused(name: str) -> None:
    """OA-21: RFC 6749, section 3.1; even with the same value."""
    answer = {**ANSWER, "iss": ISSUER, "scope": "openid"} | ({"error": "x"} if name == "error" else {})
    with pytest.raises(AnswerRejected, match="twice"):
        authorization_code([*answer.items(), (name, answer[name])], flow=FLOW, provider=PROVIDER, metadata=METADATA)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("access_denied", "access_denied"),
        ("interaction_required", "interaction_required"),
        ("", "unknown"),
        ("<script>", "unknown"),
        ("x\r\nSet-Cookie: a=b", "unknown"),
        ("\u202e", "unknown"),
        ("x" * 65, "unknown"),
        ("é", "unknown"),
    ],
    ids=ascii,
)
def test_a_no_of_the_provider_is_told_in_plain_characters(error: str, told: str) -> None:
    """ID-09, 3.6-14: whatever somebody wrote into the address; a code beside the error does not count."""
    with pytest.raises(ProviderRefused) as raised:
        code_of(error=error)
    assert raised.value.error == told


def test_forged_profile_parameters_change_nothing() -> None:
    """3.3-04, 3.3-09: who came is said by the ID token alone."""
    assert (
        code_of(email="victim@example.com", sub="1", email_verified="true", id_token="x", access_token="y") == code_of()
    )
