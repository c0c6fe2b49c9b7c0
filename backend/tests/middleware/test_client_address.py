"""One client address for everything: the access log, sessions, the audit log and limits."""

from collections.abc import Sequence

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.models import AuditEvent, Session
from app.runtime import Runtime
from tests.accounts import API, PASSWORD, Accounts
from tests.conftest import BASE_URL

PROXY, CLIENT, LIAR = "10.0.0.1", "203.0.113.7", "198.51.100.66"
BEHIND_A_PROXY = pytest.mark.settings(TRUSTED_PROXIES=["10.0.0.0/24"], ACCESS_LOG=True)
STANDARD = pytest.mark.settings(TRUSTED_PROXIES=["10.0.0.0/24"], FORWARDED_HEADER="Forwarded")
BOTH = {"X-Forwarded-For": CLIENT, "Forwarded": f"for={CLIENT}"}
Headers = Sequence[tuple[str, str]]


async def sign_in(app: FastAPI, accounts: Accounts, peer: str, headers: Headers) -> None:
    ada = await accounts.register()
    transport = httpx2.ASGITransport(app=app, client=(peer, 40_000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        form = {"username": ada.email, "password": PASSWORD}
        response = await http.post(f"{API}/auth/login", data=form, headers=list(headers))
    assert response.status_code == 200


async def addresses(runtime: Runtime) -> set[str | None]:
    """Return what the session and its audit event have noted."""
    [session] = await runtime.database.read.all(select(Session.client_address))
    events = await runtime.database.read.all(
        select(AuditEvent.client_address).where(AuditEvent.session_id.is_not(None))
    )
    assert events
    return {session[0], *(event[0] for event in events)}


@BEHIND_A_PROXY
async def test_behind_a_trusted_proxy_everything_knows_the_client(
    app: FastAPI, accounts: Accounts, runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """S85, V4.1.3, 3.6-06: two headers of one name are one list, and what the client wrote itself is not believed."""
    await sign_in(app, accounts, PROXY, [("X-Forwarded-For", LIAR), ("X-Forwarded-For", CLIENT)])
    assert await addresses(runtime) == {CLIENT}
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    seen = [line["client"] for line in lines if line["event"] == "request" and line["path"].endswith("/login")]
    assert seen == [CLIENT]


@BEHIND_A_PROXY
async def test_who_comes_past_the_proxy_is_believed_nothing(app: FastAPI, accounts: Accounts, runtime: Runtime) -> None:
    """3.6-06."""
    await sign_in(app, accounts, LIAR, list(BOTH.items()))
    assert await addresses(runtime) == {LIAR}


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "Via"])
async def test_without_a_list_of_proxies_no_header_counts(
    app: FastAPI, accounts: Accounts, runtime: Runtime, name: str
) -> None:
    """3.6-06: as it comes, whoever is connected is the client."""
    await sign_in(app, accounts, PROXY, [(name, BOTH.get(name, CLIENT))])
    assert await addresses(runtime) == {PROXY}


@BEHIND_A_PROXY
async def test_only_the_header_that_the_proxies_write_is_read(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.6-06: the other one passes through a proxy as its client wrote it."""
    await sign_in(app, accounts, PROXY, [("Forwarded", f"for={LIAR}"), ("X-Real-IP", LIAR)])
    assert await addresses(runtime) == {PROXY}


@STANDARD
async def test_the_standard_header_is_read_where_the_proxies_write_it(
    app: FastAPI, accounts: Accounts, runtime: Runtime
) -> None:
    """3.6-06: RFC 7239."""
    await sign_in(app, accounts, PROXY, [("X-Forwarded-For", LIAR), ("Forwarded", f"for={CLIENT};proto=http")])
    assert await addresses(runtime) == {CLIENT}


@BEHIND_A_PROXY
async def test_neither_scheme_nor_host_is_taken_from_a_proxy(app: FastAPI) -> None:
    """3.6-05: what users reach is PUBLIC_URL, and nothing else."""
    transport = httpx2.ASGITransport(app=app, client=(PROXY, 40_000))
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-For": CLIENT}
    async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as http:
        response = await http.get("/setup", headers=headers)
    assert response.status_code == 200
    assert "evil.example" not in response.text + str(response.headers)
    assert "gopher" not in response.text + str(response.headers)
