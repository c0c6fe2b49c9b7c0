import httpx2
import pytest
from fastapi import FastAPI

from app.config import ConfigurationError, Settings
from app.main import create_app
from app.offline.application import offline_router
from app.offline.clients import check_offline_allowed, development_client, development_clients
from app.offline.testing import ADA, Visitor, answer_in, sent_to
from app.routes import check_route_map, route_map
from tests.conftest import BASE_URL, settings_for
from tests.offline.flows import VERIFIER, parameters

ISSUER = f"{BASE_URL}/dev/google"


def settings(**changes: object) -> Settings:
    return settings_for("sqlite:///nothing.db", **changes)


def with_provider() -> FastAPI:
    """Return the application, with the provider among its routes as in development."""
    app = create_app(settings())
    if not any(entry.path.startswith("/dev/google") for entry in route_map(app)):
        app.include_router(offline_router(settings()))
    return app


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"ENVIRONMENT": "production", "PUBLIC_URL": "https://accounts.example.com"}, id="production"),
        pytest.param({"ENVIRONMENT": "production", "PUBLIC_URL": "https://localhost"}, id="production on localhost"),
        pytest.param({"PUBLIC_URL": "https://accounts.example.com"}, id="public"),
        pytest.param({"PUBLIC_URL": "http://192.168.1.7:8000"}, id="local network"),
        pytest.param({"PUBLIC_URL": "http://localhost.example.com"}, id="nearly localhost"),
        pytest.param({"HOST": "0.0.0.0"}, id="every interface"),  # noqa: S104  # Refused is what it is.
        pytest.param({"HOST": "::"}, id="every interface, IPv6"),
        pytest.param({"HOST": "192.168.1.7", "PUBLIC_URL": "http://localhost:8000"}, id="one interface"),
    ],
)
def test_the_provider_is_refused_where_others_could_use_it(changes: dict[str, object]) -> None:
    """V13.4.2, V15.2.3: whoever reaches it can be anybody."""
    for refused in (offline_router, check_offline_allowed):
        with pytest.raises(ConfigurationError, match="lets anybody be anybody"):
            refused(settings(**changes))


@pytest.mark.parametrize("url", ["", "http://localhost:8000", "http://[::1]:8000", "https://localhost"])
def test_the_provider_is_there_on_a_developer_s_machine(url: str) -> None:
    check_offline_allowed(settings(PUBLIC_URL=url))


def test_every_route_of_the_provider_says_that_it_is_public() -> None:
    """3.5-16: and none of them stands in the API document."""
    app = with_provider()
    check_route_map(app)
    entries = [entry for entry in route_map(app) if entry.path.startswith("/dev/google/")]
    assert {entry.guard for entry in entries} == {"public"}
    assert len(entries) == 10
    assert not any(path.startswith("/dev/") for path in app.openapi()["paths"])


def test_the_secret_of_the_server_s_own_client_follows_from_the_server_secret() -> None:
    """V13.3.1: no secret stands in the source, and none has to be set."""
    first, again = development_client(settings()), development_client(settings())
    other = development_client(settings(SECRET_KEY="Zr7Tn1Lk9Jh3Gf6Ds0Aq5WeR-yUiOpBxVzNmmQ2v8Xc4"))
    assert first == again
    assert first.client_secret != other.client_secret
    assert first.client_secret not in repr(first)


def test_further_client_ids_are_known_for_one_tap_only() -> None:
    """Apps of one's own, whose ID tokens the server takes: they prove nothing at the token endpoint."""
    apps = development_clients(settings(GOOGLE_OTHER_CLIENT_IDS=["phone", "tablet"]))[:-1]
    assert [app.client_id for app in apps] == ["phone", "tablet"]
    assert not any(app.is_proved_by("") or app.redirect_uris for app in apps)


async def test_a_whole_flow_below_the_development_server() -> None:
    """The issuer has a path there, and every address keeps it."""
    client = development_client(settings())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(with_provider()), base_url=BASE_URL) as http:
        metadata = (await http.get(f"{ISSUER}/.well-known/openid-configuration")).json()
        assert metadata["issuer"] == ISSUER
        assert all(value.startswith(f"{ISSUER}/") for name, value in metadata.items() if name.endswith("endpoint"))
        wanted = parameters(client_id=client.client_id, redirect_uri=client.redirect_uris[0])
        page = await http.get(metadata["authorization_endpoint"], params=wanted)
        assert 'action="/dev/google/authorize/person"' in page.text
        assert 'href="/dev/google/page.css"' in page.text
        assert "Path=/dev/google;" in page.headers["set-cookie"]
        visitor = Visitor(http)
        asked = await visitor.be(page, ADA)
        code = answer_in(sent_to(await visitor.decide(asked, "allow")))["code"]
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uris[0],
            "code_verifier": VERIFIER,
        }
        response = await http.post(metadata["token_endpoint"], data=form, auth=(client.client_id, client.client_secret))
        assert response.status_code == 200, response.text
        assert (await http.get("/dev/google/page.css")).status_code == 200
        wrong = await http.get(metadata["authorization_endpoint"], params={**wanted, "client_id": "x"})
        assert (wrong.status_code, wrong.headers["content-type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.parametrize("peer", ["192.168.1.7", "10.0.0.1", "2001:db8::1", "::ffff:192.168.1.7", "testclient", ""])
async def test_whoever_is_not_on_this_machine_does_not_find_the_provider(peer: str) -> None:
    """V13.4.2, V15.2.3: however the packets came here, whatever the settings say."""
    transport = httpx2.ASGITransport(with_provider(), client=(peer, 50000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        for path in ("/.well-known/openid-configuration", "/authorize"):
            assert (await http.get(f"/dev/google{path}")).status_code == 404
        assert (await http.post("/dev/google/authorize/person", data={"email": "a@example.com"})).status_code == 404


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-Real-IP",
        "Via",
        "X-Client-IP",
        "Client-IP",
        "ClientIP",
        "Fly-Client-IP",
        "X-Azure-ClientIP",
        "CF-Connecting-IP",
        "X-Cluster-Client-IP",
        "X-Envoy-External-Address",
        "X-Original-Host",
    ],
)
async def test_who_comes_through_a_proxy_on_this_machine_does_not_find_the_provider(header: str) -> None:
    """V13.4.2, V15.2.3: its visitors come from anywhere, and look like this machine."""
    transport = httpx2.ASGITransport(with_provider(), client=("127.0.0.1", 50000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        url = "/dev/google/.well-known/openid-configuration"
        assert (await http.get(url)).status_code == 200
        assert (await http.get(url, headers={header: "127.0.0.1"})).status_code == 404


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "127.0.0.1:80", "LOCALHOST:8000"])
async def test_who_calls_this_machine_by_another_name_does_not_find_the_provider(host: str) -> None:
    """V13.4.2: tunnels that hide themselves call it by a name of their choice."""
    transport = httpx2.ASGITransport(with_provider(), client=("127.0.0.1", 50000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        url = "/dev/google/.well-known/openid-configuration"
        assert (await http.get(url, headers={"Host": host})).status_code in {400, 404}
