"""Whoever has just installed Ostiary signs in with Google at once: with no console, no network, no setting."""

from pathlib import Path

import httpx2

from app.offline.testing import ADA, Person, Visitor, http_client
from tests.accounts import API
from tests.federation.browsers import VERIFIER, challenge, parameters_of
from tests.journeys.server import running

MADE_UP = Person(email="made.up@example.org", name="Made Up")


async def test_a_fresh_installation_signs_people_in_with_google(tmp_path: Path) -> None:
    """S06: the server plays Google itself, on its own socket, and says so where it starts."""
    with running(tmp_path) as server:
        login = f"{server.url}{API}/auth/google/login"
        assert f"{login}?transport=cookie&return_to={server.url}/docs\n" in server.said
        async with http_client() as http:
            for person in (ADA, MADE_UP):
                tokens = await _sign_in(http, server.url, person)
                me = await http.get(
                    f"{server.url}{API}/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}
                )
                assert me.json()["email"] == person.email
        assert "federation.signed_in" in server.said
        for secret in (VERIFIER, "ost_ec_", "__Host-ostiary-flow"):
            assert secret not in server.said


def test_a_server_that_others_can_reach_says_that_nobody_plays_google(tmp_path: Path) -> None:
    """V15.2.3: whoever runs it in a container does not have to guess why there is no Google."""
    with running(tmp_path, PUBLIC_URL="http://192.168.1.5:8000") as server:
        assert "Google               is not played here: others can reach this server (HOST, PUBLIC_URL)" in server.said


async def _sign_in(http: httpx2.AsyncClient, url: str, person: Person) -> dict[str, str]:
    """Sign in by redirect. The flow cookie is handed on by hand: a client that is no browser keeps none over http."""
    query = {"return_to": "/", "code_challenge": challenge()}
    begun = await http.get(f"{url}{API}/auth/google/login", params=query)
    callback = await Visitor(http).sign_in(begun.headers["location"], person)
    cookie = begun.headers["set-cookie"].partition(";")[0]
    landed = await http.get(callback, headers={"Cookie": cookie})
    body = {"code": parameters_of(landed.headers["location"])["code"], "code_verifier": VERIFIER}
    response = await http.post(f"{url}{API}/auth/exchange", json=body)
    assert response.status_code == 200, response.text
    tokens: dict[str, str] = response.json()
    return tokens
