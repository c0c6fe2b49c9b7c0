"""What the log says of security: every failure and every change, with who and whom, and never a secret."""

import base64
from collections.abc import Iterator, MutableMapping
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from tests.accounts import API, PASSWORD, Accounts

Events = list[MutableMapping[str, Any]]


@pytest.fixture
def events() -> Iterator[Events]:
    with capture_logs() as captured:
        yield captured


def named(events: Events, name: str) -> list[MutableMapping[str, Any]]:
    return [event for event in events if event["event"] == name]


async def test_a_failed_sign_in_is_logged_with_the_account_it_aimed_at(accounts: Accounts, events: Events) -> None:
    """S41, V16.3.1"""
    ada = await accounts.register("ada@example.com")
    await attempt(ada.http, "ada@example.com", "wrong wrong wrong")
    await attempt(ada.http, "nobody@example.com", "wrong wrong wrong")
    known, unknown = named(events, "sign_in.failed")
    assert (known["user_id"], known["subject"], known["log_level"]) == (ada.id, "a***@example.com", "warning")
    assert ("user_id" in unknown, unknown["subject"]) == (False, "n***@example.com")


async def test_a_password_in_the_wrong_field_is_not_logged(client: httpx2.AsyncClient, events: Events) -> None:
    """S41, V16.2.5: people type it there."""
    await attempt(client, "MyP@ssw0rd!", PASSWORD)
    assert "ssw0rd" not in repr(events)
    assert PASSWORD not in repr(events)


async def test_accounts_sessions_and_refusals_leave_their_trace(accounts: Accounts, events: Events) -> None:
    """S41, V16.3.1: registration, sign-in, refresh, password, logout, deletion."""
    ada = await accounts.signed_in("ada@example.com")
    await ada.http.post(f"{API}/auth/register", json={"email": "ADA@example.com", "password": PASSWORD})
    await ada.refresh()
    change = {"current_password": PASSWORD, "new_password": "another fine day at sea"}
    assert (await ada.post("/auth/me/password", json=change)).status_code == 204
    await ada.post("/auth/me/delete", json={"password": "wrong wrong wrong"})
    await ada.post("/auth/me/delete", json={"password": change["new_password"]})
    assert named(events, "user.registered")[0]["role"] == "user"
    for name in (
        "user.registration_refused",
        "session.created",
        "session.refreshed",
        "user.password_changed",
        "user.password_refused",
        "user.deleted",
    ):
        assert len(named(events, name)) == 1, name


async def test_the_end_of_a_session_is_logged_with_its_cause(accounts: Accounts, events: Events) -> None:
    """S41, S53, OA-11"""
    ada = await accounts.signed_in()
    stolen = ada.tokens["refresh_token"]
    await ada.refresh()
    await ada.refresh()
    await ada.refresh(stolen)
    (ended,) = named(events, "session.ended")
    assert ended["cause"] == "refresh_token_reused"


async def test_a_forged_token_is_logged_with_the_reason(accounts: Accounts, events: Events) -> None:
    """S59, V16.3.3: who answers for the server learns that somebody tries keys."""
    ada = await accounts.signed_in()
    header, payload, _ = ada.tokens["access_token"].split(".")
    forged = base64.urlsafe_b64encode(b"f" * 32).decode().rstrip("=")
    await ada.http.get(f"{API}/auth/me", headers={"Authorization": f"Bearer {header}.{payload}.{forged}"})
    await ada.http.post(f"{API}/auth/refresh", json={"refresh_token": "ost_rt_forged"})
    assert named(events, "access_token.rejected")[0]["reason"] == "bad signature"
    assert len(named(events, "refresh_token.rejected")) == 1
    assert payload not in repr(events)


async def test_a_denied_permission_is_logged(accounts: Accounts, events: Events) -> None:
    """V16.3.2"""
    ada = await accounts.signed_in()
    await ada.get("/users/")
    assert named(events, "permission.denied")[0]["permission"] == "users:read"


async def test_an_administrator_s_change_names_both(accounts: Accounts, events: Events) -> None:
    """V16.3.1: who did what to whom."""
    root, ada = await accounts.administrator(), await accounts.signed_in()
    await root.patch(f"/users/{ada.id}", json={"is_active": False})
    (changed,) = named(events, "user.changed")
    assert (changed["actor_id"], changed["user_id"], changed["is_active"]) == (root.id, ada.id, False)


async def attempt(http: httpx2.AsyncClient, username: str, password: str) -> None:
    response = await http.post(f"{API}/auth/login", data={"username": username, "password": password})
    assert response.status_code == 401
