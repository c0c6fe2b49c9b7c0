"""What our access tokens say, how their claims are checked, and when they end."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.auth.assurance import authentication_level
from app.auth.identifiers import new_id
from app.auth.jwt import LEEWAY, AccessClaims, TokenOutOfDate, TokenRejected, sign_access_token
from app.auth.keys import derive_key
from app.auth.tokens import first_refresh_token
from tests.auth.forge import (
    AUDIENCE,
    CLAIMS,
    HEADER,
    ISSUER,
    MATERIAL,
    NOW,
    RING,
    SECONDS,
    base64url,
    is_accepted,
    read,
    signed,
    symmetric_key_ring,
    with_claim,
)

LIVES = AccessClaims(
    subject=new_id(),
    session_id=new_id(),
    token_id="one-of-many",
    issued_at=NOW,
    expires_at=NOW + timedelta(minutes=30),
    authenticated_at=NOW - timedelta(days=2),
    methods=("pwd", "otp"),
)


def token_for(claims: AccessClaims) -> str:
    return sign_access_token(claims, ring=RING, issuer=ISSUER, audience=AUDIENCE)


def decoded(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    return header, payload


def test_what_was_signed_is_what_is_read() -> None:
    assert read(token_for(LIVES)) == LIVES


def test_a_token_says_what_rfc_9068_asks_for_and_nothing_about_the_person() -> None:
    """S48, JW-16, JW-19: typed `at+jwt`; no address, no name, no role in it."""
    header, payload = decoded(token_for(LIVES))
    assert header == {"alg": "HS256", "typ": "at+jwt", "kid": RING.current.kid}
    assert payload == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(LIVES.subject),
        "sid": str(LIVES.session_id),
        "client_id": "first-party",
        "jti": "one-of-many",
        "iat": SECONDS,
        "exp": SECONDS + 1800,
        "auth_time": SECONDS - 2 * 86400,
        "acr": authentication_level(("pwd", "otp")),
        "amr": ["pwd", "otp"],
    }


def test_the_token_that_forgeries_are_made_from_is_a_good_one() -> None:
    """Otherwise every refusal of this suite would prove nothing."""
    assert read(signed()).token_id == CLAIMS["jti"]


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "client_id", "jti", "iat", "exp", "auth_time", "amr"])
def test_a_claim_that_is_missing_is_missed(name: str) -> None:
    """S49, S50, JW-10"""
    assert not is_accepted(signed(payload={key: value for key, value in CLAIMS.items() if key != name}))


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "sid", "client_id", "jti"])
@pytest.mark.parametrize("shape", ["list", "object", "null", "empty", "number", "boolean"])
def test_a_text_claim_of_another_shape_is_refused(name: str, shape: str) -> None:
    """S50, JW-10, 3.1-28: an array that holds the right text does not equal it; a numeric `sub` is no `sub`."""
    good = CLAIMS[name]
    values = {"list": [good], "object": {good: good}, "null": None, "empty": "", "number": 7, "boolean": True}
    assert not is_accepted(signed(payload={**CLAIMS, name: values[shape]}))


@pytest.mark.parametrize("name", ["iat", "exp", "auth_time"])
@pytest.mark.parametrize(
    "raw",
    [
        '"1772366400"',
        '"soon"',
        "true",
        "false",
        "null",
        "[1772366400]",
        "{}",
        "1772366400.0",
        "1772366400.5",
        "1.7e9",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "-1",
        "99999999999",
        "1" + "0" * 400,
        "9" * 5000,
        "9" * 4000,
    ],
    ids=lambda raw: raw[:12],
)
def test_a_time_is_a_whole_number_of_seconds(name: str, raw: str) -> None:
    """JW-10: texts, booleans, fractions, NaN and numbers beyond any clock are refused, never an error of ours."""
    assert not is_accepted(signed(payload=with_claim(name, raw)))


@pytest.mark.parametrize("raw", ["null", '"pwd"', "7", "{}", "[7]", '["pwd", null]', '[["pwd"]]'])
def test_the_methods_are_a_list_of_texts(raw: str) -> None:
    """JW-10"""
    assert not is_accepted(signed(payload=with_claim("amr", raw)))


@pytest.mark.parametrize(
    "subject", ["1", "admin", "0" * 31, "0" * 33, "../../etc/passwd", "00000000-0000-0000-0000-00000000000g", "\u0000"]
)
def test_a_subject_is_an_identifier(subject: str) -> None:
    """S17, S50: not a row number, and not any text."""
    assert not is_accepted(signed(payload={**CLAIMS, "sub": subject}))


@pytest.mark.parametrize(
    "issuer",
    [
        "https://accounts.example.co",
        "https://accounts.example.com/",
        "https://accounts.example.com.evil.example.org",
        "https://accounts.example.com/api/v1",
        "HTTPS://accounts.example.com",
        "http://accounts.example.com",
        "accounts.example.com",
        "https://accounts.example.com#",
        "https://accounts.ex\u0430mple.com",
        [ISSUER],
        [ISSUER, "https://evil.example.org"],
        {"https://accounts.example.com": True},
        None,
        "",
    ],
)
def test_the_issuer_is_compared_as_a_whole(issuer: object) -> None:
    """JW-12, 3.1-08, 3.1-28: neither a prefix nor a substring nor a list is the issuer."""
    assert not is_accepted(signed(payload={**CLAIMS, "iss": issuer}))


@pytest.mark.parametrize(
    "audience",
    [
        [AUDIENCE],
        [AUDIENCE, "https://other.example.com"],
        "https://accounts.example.com",
        f"{AUDIENCE}/",
        f"{AUDIENCE} https://other.example.com",
        "https://other.example.com/api/v1",
        "*",
        [],
        None,
    ],
)
def test_a_token_for_another_audience_is_not_for_us(audience: object) -> None:
    """JW-12, OA-14: we write one audience as one text, so nothing else is ours."""
    assert not is_accepted(signed(payload={**CLAIMS, "aud": audience}))


def test_claims_that_we_never_wrote_change_nothing() -> None:
    """S52: no further claim makes more of a token than it is."""
    extra = {"role": "admin", "is_superuser": True, "scope": "users:read", "permissions": ["*"]}
    assert read(signed(payload={**CLAIMS, **extra})) == read(signed())


# Time.


def test_a_token_ends_at_the_very_second_it_names() -> None:
    """JW-11"""
    token = signed(payload={**CLAIMS, "exp": SECONDS + 10})
    assert is_accepted(token, now=NOW + timedelta(seconds=9, milliseconds=999))
    with pytest.raises(TokenOutOfDate):
        read(token, now=NOW + timedelta(seconds=10))


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1), timedelta(days=4000)])
def test_an_expired_token_is_told_from_a_forged_one(late: timedelta) -> None:
    """S58: a client may refresh after the one and must not after the other."""
    with pytest.raises(TokenOutOfDate):
        read(token_for(LIVES), now=LIVES.expires_at + late)


@pytest.mark.parametrize("part", ["signature", "issuer"])
def test_only_a_token_of_ours_is_ever_called_expired(part: str) -> None:
    """S58: whether a stranger's token would have expired is nobody's business."""
    claims = {**CLAIMS, "exp": SECONDS - 1, "iss": "https://evil.example.org" if part == "issuer" else ISSUER}
    with pytest.raises(TokenRejected) as refusal:
        read(signed(payload=claims, key=b"k" * 32 if part == "signature" else MATERIAL))
    assert not isinstance(refusal.value, TokenOutOfDate)


def test_a_token_from_the_future_is_refused_beyond_the_leeway() -> None:
    """JW-11: clocks may differ by at most a minute, and 30 seconds here."""
    assert timedelta(0) <= LEEWAY <= timedelta(seconds=60)
    leeway = int(LEEWAY.total_seconds())
    assert is_accepted(signed(payload={**CLAIMS, "iat": SECONDS + leeway}))
    assert not is_accepted(signed(payload={**CLAIMS, "iat": SECONDS + leeway + 1}))


def test_a_token_lives_for_a_day_at_most() -> None:
    """JW-11, S49, S60: the longest that settings allow; a lifetime is capped even when `exp` is far away."""
    born, day = SECONDS - 60, 24 * 60 * 60
    assert is_accepted(signed(payload={**CLAIMS, "iat": born, "exp": born + day}))
    for lifetime in (day + 1, 10 * 365 * day):
        assert not is_accepted(signed(payload={**CLAIMS, "iat": born, "exp": born + lifetime}))


def test_a_token_that_is_not_yet_valid_is_refused() -> None:
    """JW-11: we write no `nbf`, but a token that carries one means it."""
    assert not is_accepted(signed(payload={**CLAIMS, "nbf": SECONDS + 3600}))


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2400, 1, 1, tzinfo=UTC)])
def test_no_moment_makes_the_reader_stumble(moment: datetime) -> None:
    assert not is_accepted(signed(), now=moment)


def test_times_are_read_in_utc() -> None:
    claims = read(signed())
    assert claims.issued_at.tzinfo is UTC
    assert claims.issued_at == NOW - timedelta(seconds=60)


# Kinds.


@pytest.mark.parametrize(
    "kind", ["JWT", "jwt", "AT+JWT", "at+jwt ", "application/at+jwt", "rt+jwt", "dpop+jwt", "", None, 7, ["at+jwt"]]
)
def test_only_the_type_of_an_access_token_is_one(kind: object) -> None:
    """S48, S52, JW-13: kinds are told apart in the header, by exactly one spelling."""
    assert not is_accepted(signed({**HEADER, "typ": kind}))


def test_a_refresh_token_is_no_access_token() -> None:
    """S52, JW-13: the cross-use matrix is diagonal; the other half stands with the refresh tokens."""
    assert not is_accepted(first_refresh_token(new_id()).encode(MATERIAL))


def test_a_token_of_another_installation_is_refused() -> None:
    """S46: neither under its own key nor under the name of ours."""
    secret = "another installation's secret, as long and random"
    other = symmetric_key_ring(secret)
    theirs = sign_access_token(LIVES, ring=other, issuer=ISSUER, audience=AUDIENCE)
    assert is_accepted(theirs, ring=other)
    assert not is_accepted(theirs)
    assert not is_accepted(signed(key=derive_key(secret, "access-token/HS256")))


def test_a_header_of_another_token_does_not_fit() -> None:
    """JW-01: every part is covered by the signature."""
    parts, others = signed().split("."), signed(payload={**CLAIMS, "sub": str(new_id())}).split(".")
    assert not is_accepted(f"{parts[0]}.{others[1]}.{parts[2]}")
    assert not is_accepted(f"{parts[0]}.{parts[1]}.{others[2]}")
    assert not is_accepted(f"{base64url(json.dumps(HEADER, indent=1).encode())}.{parts[1]}.{parts[2]}")
