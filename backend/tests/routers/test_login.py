"""Sign-in: what a success hands out, and which forms are taken at all."""

import pytest

from app.config import Settings
from app.models import Session
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts
from tests.answers import check_nothing_repeated, checked_problem, field_error_of, problem_of
from tests.contention import at_once, hashing_held
from tests.rows import count, every_row, everything, find_session
from tests.tokens import access_claims, access_header, session_id_of

LOGIN = f"{API}/auth/login"
FORM = {"content-type": "application/x-www-form-urlencoded"}


def query(*extra: str) -> bytes:
    """Return the form of Ada's sign-in with further fields, byte for byte."""
    fields = ["username=ada%40example.com", "password=correct+horse+battery+staple", *extra]
    return "&".join(fields).encode()


async def test_a_sign_in_hands_out_a_pair_that_no_cache_keeps(accounts: Accounts) -> None:
    """S56, OA-22: token_type, the lifetime in seconds, and no-store."""
    ada = await accounts.register()
    response = await ada.http.post(LOGIN, data={"username": ada.email, "password": ada.password})
    assert response.status_code == 200
    tokens = response.json()
    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert tokens["token_type"] == "bearer"
    assert tokens["expires_in"] == 30 * 60
    assert "no-store" in response.headers["cache-control"]


async def test_the_access_token_says_what_rfc_9068_asks_for(accounts: Accounts, settings: Settings) -> None:
    """S48, JW-10, JW-16."""
    ada = await accounts.signed_in()
    header = access_header(ada.tokens["access_token"])
    assert set(header) == {"alg", "typ", "kid"}
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    claims = access_claims(ada.tokens["access_token"])
    assert claims["iss"] == settings.PUBLIC_URL
    assert claims["aud"] == f"{settings.PUBLIC_URL}/api/v1"
    assert claims["sub"] == ada.id
    assert claims["client_id"] == "first-party"
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    assert claims["exp"] - claims["iat"] == 30 * 60
    assert claims["auth_time"] == claims["iat"]


async def test_the_tokens_hold_no_personal_data(accounts: Accounts) -> None:
    """JW-19: an allow-list of claims; who the subject is, only the database knows."""
    ada = await accounts.signed_in(name="Ada Lovelace")
    claims = access_claims(ada.tokens["access_token"])
    assert set(claims) == {"iss", "aud", "sub", "sid", "client_id", "jti", "iat", "exp", "auth_time", "acr", "amr"}
    assert "Lovelace" not in str(claims)
    assert ada.email not in str(claims)


async def test_every_sign_in_is_a_session_of_its_own(accounts: Accounts, runtime: Runtime) -> None:
    """3.5-11: nothing of an earlier session is carried over."""
    first = await accounts.signed_in()
    second = await first.sign_in()
    ids = [session_id_of(person) for person in (first, second)]
    assert ids[0] != ids[1]
    rows = [await find_session(runtime, session_id) for session_id in ids]
    assert rows[0].secret_digest != rows[1].secret_digest
    assert first.tokens["refresh_token"] != second.tokens["refresh_token"]


async def test_the_database_holds_no_token(accounts: Accounts, runtime: Runtime) -> None:
    """S53: whoever copies the database cannot sign in with it."""
    ada = await accounts.signed_in()
    dump = str(await every_row(runtime))
    assert ada.tokens["refresh_token"].removeprefix("ost_rt_")[:40] not in dump
    assert ada.tokens["access_token"] not in dump


async def test_every_spelling_of_the_address_signs_in(accounts: Accounts) -> None:
    """S31, 3.3-20."""
    ada = await accounts.register("Ada@bücher.example")
    for spelling in ("ADA@bücher.example", "ada@BÜCHER.example", "Ada@xn--bcher-kva.example"):
        response = await ada.http.post(LOGIN, data={"username": spelling, "password": PASSWORD})
        assert response.status_code == 200, spelling


async def test_the_other_normal_form_of_a_password_signs_in_and_a_compatible_one_does_not(accounts: Accounts) -> None:
    """PW-06: NFC, and nothing beyond it: no trimming, no case folding, no compatibility forms."""
    ada = await accounts.register(password="r\u00e9sum\u00e9 of a long life")
    attempts = {
        "re\u0301sume\u0301 of a long life": 200,
        " r\u00e9sum\u00e9 of a long life": 401,
        "R\u00e9sum\u00e9 of a long life": 401,
        "r\u00e9sum\u00e9 of a long \uff4cife": 401,
    }
    for password, status in attempts.items():
        response = await ada.http.post(LOGIN, data={"username": ada.email, "password": password})
        assert response.status_code == status, ascii(password)


async def test_a_long_password_counts_to_its_last_character(accounts: Accounts) -> None:
    """S27, 3.2-01: bcrypt would stop at byte 72."""
    ada = await accounts.register(password="a long one " * 7 + "ends here")
    response = await ada.http.post(LOGIN, data={"username": ada.email, "password": "a long one " * 7 + "ends not"})
    problem_of(response, 401, "INVALID_CREDENTIALS")


async def test_a_field_that_means_nothing_here_is_refused(accounts: Accounts, runtime: Runtime) -> None:
    """S22, S39, OA-10: nothing that a client asks for is silently ignored."""
    codes = {
        "scope=admin": "LITERAL_ERROR",
        "scope=+": "LITERAL_ERROR",
        "client_id=x": "LITERAL_ERROR",
        "client_secret=x": "LITERAL_ERROR",
        "grant_type=refresh_token": "LITERAL_ERROR",
        "grant_type=client_credentials": "LITERAL_ERROR",
        "remember=1": "EXTRA_FORBIDDEN",
        "is_superuser=true": "EXTRA_FORBIDDEN",
    }
    ada = await accounts.register("ada@example.com")
    for field, code in codes.items():
        response = await ada.http.post(LOGIN, content=query(field), headers=FORM)
        assert field_error_of(response) == ("/" + field.partition("=")[0], code)
    assert await count(runtime, Session) == 0


async def test_what_oauth_libraries_send_along_is_taken(accounts: Accounts) -> None:
    """OA-21: an empty parameter is an absent one."""
    ada = await accounts.register("ada@example.com")
    for fields in (["grant_type=password"], ["scope=", "client_id=", "client_secret=", "grant_type="]):
        assert (await ada.http.post(LOGIN, content=query(*fields), headers=FORM)).status_code == 200


@pytest.mark.parametrize("field", ["username=ada%40example.com", "username=eve%40example.com", "password=x"])
async def test_a_repeated_field_is_refused(accounts: Accounts, runtime: Runtime, field: str) -> None:
    """S39, OA-21: two parsers could disagree about which one counts."""
    ada = await accounts.register("ada@example.com")
    await accounts.register("eve@example.com")
    response = await ada.http.post(LOGIN, content=query(field), headers=FORM)
    assert response.status_code in {400, 422}, response.status_code
    checked_problem(response)
    assert await count(runtime, Session) == 0


async def test_credentials_as_json_are_refused(accounts: Accounts) -> None:
    ada = await accounts.register()
    response = await ada.http.post(LOGIN, json={"username": ada.email, "password": ada.password})
    problem_of(response, 415, "UNSUPPORTED_MEDIA_TYPE")
    check_nothing_repeated(response, ada.password, ada.email)


async def test_credentials_as_multipart_are_refused(accounts: Accounts) -> None:
    """3.2-08: the parser with the longest list of faults is not needed for two short texts."""
    ada = await accounts.register()
    parts: dict[str, tuple[None, str]] = {"username": (None, ada.email), "password": (None, ada.password)}
    response = await ada.http.post(LOGIN, files=parts)
    assert response.status_code in {415, 422}
    checked_problem(response)


async def test_a_file_in_place_of_a_text_is_refused(accounts: Accounts) -> None:
    ada = await accounts.register()
    file = {"password": ("password.txt", ada.password.encode())}
    response = await ada.http.post(LOGIN, data={"username": ada.email}, files=file)
    checked_problem(response)
    check_nothing_repeated(response, ada.password, "password.txt")


async def test_credentials_in_the_query_are_not_looked_at(accounts: Accounts) -> None:
    """OA-15: what stands in an address ends in logs and histories."""
    ada = await accounts.register()
    response = await ada.http.post(LOGIN, params={"username": ada.email, "password": ada.password})
    assert response.status_code == 422
    check_nothing_repeated(response, ada.password, ada.email)


@pytest.mark.settings(HASHING_QUEUE=0)
async def test_more_sign_ins_than_the_queue_holds_are_sent_away(accounts: Accounts) -> None:
    """PW-12: an overflow is answered at once, with the time to come back, and never an accident."""
    ada = await accounts.register()
    form = {"username": ada.email, "password": ada.password}
    responses = await at_once(12, lambda: ada.http.post(LOGIN, data=form))
    assert {r.status_code for r in responses} == {200, 503}
    for refused in (r for r in responses if r.status_code == 503):
        problem_of(refused, 503, "BUSY")
        assert refused.headers["retry-after"] == "1"


@pytest.mark.settings(HASHING_QUEUE=0)
async def test_a_busy_worker_sends_known_and_unknown_away_alike_and_recovers(
    accounts: Accounts, runtime: Runtime
) -> None:
    """PW-12, 3.7-01."""
    ada = await accounts.signed_in()
    before = await everything(runtime)
    attempts = [{"username": email, "password": ada.password} for email in (ada.email, "unknown@example.com")]
    async with hashing_held(runtime):
        for form in attempts:
            problem_of(await ada.http.post(LOGIN, data=form), 503, "BUSY")
        newcomer = {"email": "new@example.com", "password": PASSWORD}
        problem_of(await ada.http.post(f"{API}/auth/register", json=newcomer), 503, "BUSY")
        problem_of(await ada.post("/auth/me/delete", json={"password": ada.password}), 503, "BUSY")
        assert (await ada.get("/auth/me")).status_code == 200, "what needs no hash is served"
    assert await everything(runtime) == before
    statuses = [(await ada.http.post(LOGIN, data=form)).status_code for form in attempts]
    assert statuses == [200, 401]


async def test_any_user_agent_signs_in(accounts: Accounts, runtime: Runtime) -> None:
    """S19, S28: what is kept of the header is cut to what its column takes, on both databases."""
    ada = await accounts.register()
    form = {"username": ada.email, "password": ada.password}
    for agent in (b"", b"x" * 10_000, b"\xff\xfe\xe9" * 300, "🦊".encode() * 200, b"\t \t"):
        response = await ada.http.post(LOGIN, data=form, headers=[(b"User-Agent", agent)])
        assert response.status_code == 200, agent
    assert await count(runtime, Session) == 5
