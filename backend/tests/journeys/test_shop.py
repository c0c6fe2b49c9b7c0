"""The worked example: a product's own tables, rules and routes inside the server."""

from pathlib import Path

import httpx2

from tests.accounts import API
from tests.journeys.server import NO_TLS, REPOSITORY, Server, ostiary, running

SHOP = {"EXTENSIONS": "shop.api", "PYTHONPATH": str(REPOSITORY / "examples")}
PASSWORD = "seven lanterns by the sea"


def test_a_shop_takes_orders_with_our_guards_errors_and_transaction(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, DATABASE_URL=empty_database_url, **SHOP) as server:
        assert call(server, "GET", "/shop/articles", None).json() == ["door", "key", "lock"]
        assert call(server, "GET", "/shop/orders", None).status_code == 401
        ada, ben = customer(server, "ada@example.com"), customer(server, "ben@example.com")
        order = {"article": "key", "quantity": 2}
        assert call(server, "POST", "/shop/orders", ada, json=order).status_code == 201
        assert [o["article"] for o in call(server, "GET", "/shop/orders", ada).json()] == ["key"]
        assert call(server, "GET", "/shop/orders", ben).json() == []
        assert call(server, "GET", "/shop/orders/all", ben).json()["code"] == "PERMISSION_DENIED"
        for _ in range(19):
            call(server, "POST", "/shop/orders", ada, json=order)
        refused = call(server, "POST", "/shop/orders", ada, json=order)
        assert (refused.status_code, refused.json()["code"]) == (409, "SHOP_TOO_MANY_ORDERS")
        wrong = call(server, "POST", "/shop/orders", ada, json={**order, "price": 0})
        assert wrong.json()["errors"][0]["code"] == "EXTRA_FORBIDDEN"


def test_an_administrator_has_the_permission_that_the_shop_brought(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, DATABASE_URL=empty_database_url, **SHOP) as server:
        ada = customer(server, "ada@example.com")
        call(server, "POST", "/shop/orders", ada, json={"article": "door", "quantity": 1})
        assert call(server, "GET", "/shop/orders/all", ada).status_code == 403
        promoted = ostiary(
            tmp_path,
            *("users", "create-admin", "--email", "ada@example.com", "--promote"),
            DATABASE_URL=empty_database_url,
        )
        assert promoted.returncode == 0, promoted.stderr
        assert len(call(server, "GET", "/shop/orders/all", ada).json()) == 1


def test_an_extension_route_that_states_no_guard_stops_the_start_by_name(tmp_path: Path) -> None:
    (tmp_path / "careless.py").write_text(
        "from fastapi import APIRouter\n"
        "router = APIRouter()\n"
        "@router.get('/all-secrets')\n"
        "async def reveal() -> str:\n"
        "    return 'everything'\n",
        encoding="utf-8",
    )
    ostiary(tmp_path, "init")
    refused = ostiary(tmp_path, "serve", "--migrate", EXTENSIONS="careless")
    assert refused.returncode == 2
    assert "GET /api/v1/all-secrets (careless.reveal) does not say who may call it" in refused.stderr


def customer(server: Server, email: str) -> str:
    """Register and sign in; return the access token."""
    call(server, "POST", "/auth/register", None, json={"email": email, "password": PASSWORD})
    answer = httpx2.post(f"{server.url}{API}/auth/login", verify=NO_TLS, data={"username": email, "password": PASSWORD})
    token: str = answer.json()["access_token"]
    return token


def call(server: Server, method: str, path: str, token: str | None, json: object = None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.request(method, f"{server.url}{API}{path}", verify=NO_TLS, headers=headers, json=json)
