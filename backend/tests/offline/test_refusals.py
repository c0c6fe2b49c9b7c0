import base64
from urllib.parse import urlencode

import pytest

from app.offline.testing import Client, RunningProvider, Visitor, answer_in
from tests.offline.flows import CLIENT, REDIRECT_URI, STATE, Shop, address_of, challenge, parameters

NEAR_MISSES = [
    f"{REDIRECT_URI}/",
    f"{REDIRECT_URI}?x=1",
    f"{REDIRECT_URI}#x",
    REDIRECT_URI.upper(),
    REDIRECT_URI.replace("127.0.0.1", "localhost"),
    REDIRECT_URI.replace(":8000", ":8001"),
    REDIRECT_URI.replace("http:", "https:"),
    REDIRECT_URI.replace("127.0.0.1", "127.0.0.1@evil.example"),
    REDIRECT_URI.replace("/callback", "/../google/callback"),
    REDIRECT_URI.replace("/auth", "//auth"),
    f" {REDIRECT_URI}",
    f"{REDIRECT_URI}\n",
    REDIRECT_URI[:-1],
    "//evil.example/callback",
    "javascript:alert(1)",
    "",
]


@pytest.fixture
def shop(google: RunningProvider, visitor: Visitor) -> Shop:
    return Shop(google, visitor.http)


@pytest.mark.parametrize("redirect_uri", NEAR_MISSES)
async def test_another_redirect_uri_shows_a_page_and_redirects_nobody(
    google: RunningProvider, visitor: Visitor, redirect_uri: str
) -> None:
    """OA-04, OA-06, OA-20: compared character for character, and the page sends nobody anywhere."""
    for prompt in (None, "none"):
        response = await visitor.http.get(address_of(google, redirect_uri=redirect_uri, prompt=prompt))
        assert response.status_code == 400
        assert "location" not in response.headers
        assert "http-equiv" not in response.text
        assert REDIRECT_URI in response.text


@pytest.mark.parametrize("client_id", [None, "", "somebody", "SHOP", "shop\x00"])
async def test_an_unknown_client_shows_a_page_and_redirects_nobody(
    google: RunningProvider, visitor: Visitor, client_id: str | None
) -> None:
    """OA-20."""
    response = await visitor.http.get(address_of(google, client_id=client_id))
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "No application is registered" in response.text


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "code_challenge"])
async def test_a_repeated_parameter_is_refused(google: RunningProvider, visitor: Visitor, name: str) -> None:
    """OA-21: two parsers could each believe another one."""
    repeated = urlencode({name: parameters()[name]})
    response = await visitor.http.get(f"{address_of(google)}&{repeated}")
    assert response.status_code == 400
    assert "location" not in response.headers


@pytest.mark.parametrize("query", ["%ff=1", "a=%ff", "&".join(f"x{n}=1" for n in range(60))])
async def test_parameters_that_cannot_be_read_are_refused(
    google: RunningProvider, visitor: Visitor, query: str
) -> None:
    response = await visitor.http.get(f"{address_of(google)}&{query}")
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"code_challenge": None}, "invalid_request", id="no challenge"),
        pytest.param({"code_challenge": "", "code_challenge_method": None}, "invalid_request", id="no PKCE"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain"),
        pytest.param({"code_challenge_method": None}, "invalid_request", id="plain by default"),
        pytest.param({"code_challenge": "short"}, "invalid_request", id="no SHA-256"),
        pytest.param({"response_type": None}, "unsupported_response_type", id="no type"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit"),
        pytest.param({"response_type": "code id_token"}, "unsupported_response_type", id="hybrid"),
        pytest.param({"response_mode": "fragment"}, "invalid_request", id="fragment"),
        pytest.param({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported", id="request object"),
        pytest.param({"request_uri": "https://evil.example"}, "request_uri_not_supported", id="request by reference"),
        pytest.param({"scope": None}, "invalid_scope", id="no scope"),
        pytest.param({"scope": "email profile"}, "invalid_scope", id="no openid"),
        pytest.param({"prompt": "none login"}, "invalid_request", id="none and login"),
        pytest.param({"prompt": "smile"}, "invalid_request", id="unknown prompt"),
        pytest.param({"max_age": "-1"}, "invalid_request", id="negative age"),
        pytest.param({"max_age": "soon"}, "invalid_request", id="age in words"),
        pytest.param({"max_age": "9" * 20}, "invalid_request", id="age of the universe"),
    ],
)
async def test_what_is_wrong_with_a_request_is_told_to_the_application(
    google: RunningProvider, visitor: Visitor, changes: dict[str, str | None], error: str
) -> None:
    """OA-08, OA-09, OA-10: with state and issuer, and never with a code."""
    response = await visitor.http.get(address_of(google, **changes))
    assert response.status_code == 303
    answer = answer_in(response.headers["location"])
    assert (answer["error"], answer["state"], answer["iss"]) == (error, STATE, google.issuer)
    assert "code" not in answer
    assert response.headers["location"].startswith(f"{REDIRECT_URI}?")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"code_verifier": None}, id="no verifier"),
        pytest.param({"code_verifier": challenge()}, id="the challenge as verifier"),
        pytest.param({"code_verifier": "another-verifier-of-enough-characters-to-count"}, id="another verifier"),
        pytest.param({"redirect_uri": None}, id="no redirect URI"),
        pytest.param({"redirect_uri": f"{REDIRECT_URI}/"}, id="another redirect URI"),
    ],
)
async def test_a_code_is_spent_by_a_wrong_attempt(
    google: RunningProvider, visitor: Visitor, shop: Shop, changes: dict[str, str | None]
) -> None:
    """OA-08: a verifier cannot be guessed at."""
    code = answer_in(await visitor.sign_in(address_of(google)))["code"]
    for attempt in (changes, {}):
        response = await shop.exchange(code, **attempt)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


async def test_a_code_that_comes_twice_ends_what_it_gave(google: RunningProvider, visitor: Visitor, shop: Shop) -> None:
    """OA-23, 3.4-01."""
    code = answer_in(await visitor.sign_in(address_of(google, access_type="offline")))["code"]
    tokens = (await shop.exchange(code)).json()
    again = await shop.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await visitor.http.get(f"{google.issuer}/userinfo", headers=bearer)).status_code == 401
    refreshed = await shop.ask(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refreshed.json()["error"] == "invalid_grant"


async def test_a_code_of_another_application_is_unknown(google: RunningProvider, visitor: Visitor) -> None:
    """OA-12: and still good for the one that it was made for."""
    other = google.register(Client(client_id="other", client_secret="its secret", redirect_uris=(REDIRECT_URI,)))
    code = answer_in(await visitor.sign_in(address_of(google)))["code"]
    assert (await Shop(google, visitor.http, other).exchange(code)).json()["error"] == "invalid_grant"
    assert (await Shop(google, visitor.http).exchange(code)).status_code == 200


@pytest.mark.parametrize("secret", [None, "", "wrong", CLIENT.client_secret.upper(), "é"])
async def test_a_wrong_secret_is_refused(
    google: RunningProvider, visitor: Visitor, shop: Shop, secret: str | None
) -> None:
    """OA-26: and does not spend the code."""
    code = answer_in(await visitor.sign_in(address_of(google)))["code"]
    response = await shop.exchange(code, client_secret=secret)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert "Basic" in response.headers["www-authenticate"]
    assert (await shop.exchange(code)).status_code == 200


@pytest.mark.parametrize("secret", [None, ""])
async def test_a_client_without_secret_has_no_use_of_the_token_endpoint(
    google: RunningProvider, visitor: Visitor, secret: str | None
) -> None:
    """3.1-15: nothing equals nothing, and proves nothing."""
    app = google.register(Client(client_id="phone", client_secret="", redirect_uris=()))
    response = await Shop(google, visitor.http, app).exchange("code", client_secret=secret)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


async def test_the_secret_may_come_in_the_header(google: RunningProvider, visitor: Visitor) -> None:
    """RFC 6749, section 2.3.1: form-encoded within."""
    code = answer_in(await visitor.sign_in(address_of(google)))["code"]
    shop = Shop(google, visitor.http)
    shop.http.headers.update(basic("shop", "the+secret+of%20the+shop"))
    response = await shop.exchange(code, client_id=None, client_secret=None)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("headers", "form", "status"),
    [
        pytest.param(basic("shop", "wrong"), {"client_secret": None}, 401, id="wrong"),
        pytest.param(basic("shop", CLIENT.client_secret), {}, 400, id="header and form at once"),
        pytest.param(
            basic("shop", CLIENT.client_secret), {"client_secret": None, "client_id": "other"}, 401, id="two clients"
        ),
        pytest.param({"Authorization": "Basic %%%"}, {"client_secret": None}, 401, id="not base64"),
        pytest.param({"Authorization": "Bearer x"}, {"client_secret": None}, 401, id="another scheme"),
    ],
)
async def test_a_header_that_proves_nothing_is_refused(
    google: RunningProvider,
    visitor: Visitor,
    headers: dict[str, str],
    form: dict[str, str | None],
    status: int,
) -> None:
    """OA-27."""
    visitor.http.headers.update(headers)
    response = await Shop(google, visitor.http).exchange("code", **form)
    assert response.status_code == status
    assert response.json()["error"] == ("invalid_client" if status == 401 else "invalid_request")


@pytest.mark.parametrize("grant_type", [None, "password", "client_credentials", "implicit"])
async def test_other_grants_are_unknown(shop: Shop, grant_type: str | None) -> None:
    """OA-10."""
    response = await shop.exchange("code", grant_type=grant_type, username="ada", password="x")
    assert (response.status_code, response.json()["error"]) == (400, "unsupported_grant_type")


async def test_the_token_endpoint_takes_forms_only(google: RunningProvider, visitor: Visitor) -> None:
    """3.2-06, OA-27: neither JSON, nor a query."""
    form = {"grant_type": "authorization_code", "client_id": "shop", "client_secret": CLIENT.client_secret}
    address = f"{google.issuer}/token"
    for response in (
        await visitor.http.post(address, json=form),
        await visitor.http.post(address, params=form),
        await visitor.http.post(address, content="a=1&a=2", headers={"Content-Type": "text/plain"}),
    ):
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_a_body_without_end_is_cut_off(google: RunningProvider, visitor: Visitor) -> None:
    form = {"content": "x=" + "y" * 70_000, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    assert (await visitor.http.post(f"{google.issuer}/token", **form)).status_code == 413  # type: ignore[arg-type]
