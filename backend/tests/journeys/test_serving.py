"""How the server starts, refuses to, and stops."""

import socket
import stat
from pathlib import Path

import httpx2

from tests.accounts import API
from tests.journeys.server import NO_TLS, ostiary, running

GOOD_SECRET = "Vt7mKq2Zx9Lr4Ws8Nd1Hj6Bc3Pf5Gy0TeAuRiOoQl-_z"
PASSWORD = "seven lanterns by the sea"


def test_the_first_start_writes_a_secret_that_only_its_owner_can_read(tmp_path: Path) -> None:
    with running(tmp_path):
        pass
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ostiary.db").stat().st_mode) == 0o600


def test_a_second_start_keeps_the_secret_and_the_accounts(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        secret = (tmp_path / ".env").read_text(encoding="utf-8")
        account = {"email": "ada@example.com", "password": PASSWORD}
        assert httpx2.post(f"{server.url}{API}/auth/register", verify=NO_TLS, json=account).status_code == 201
    with running(tmp_path) as server:
        form = {"username": "ada@example.com", "password": PASSWORD}
        assert httpx2.post(f"{server.url}{API}/auth/login", verify=NO_TLS, data=form).status_code == 200
    assert (tmp_path / ".env").read_text(encoding="utf-8") == secret


def test_a_logout_on_one_worker_counts_on_every_other(tmp_path: Path, empty_database_url: str) -> None:
    """S54, 3.5-02: each request opens a connection of its own, so that both workers get their share."""
    with running(tmp_path, DATABASE_URL=empty_database_url, WORKERS="2") as server:
        account = {"email": "ada@example.com", "password": PASSWORD}
        httpx2.post(f"{server.url}{API}/auth/register", verify=NO_TLS, json=account)
        for _ in range(15):
            form = {"username": account["email"], "password": PASSWORD}
            token = httpx2.post(f"{server.url}{API}/auth/login", verify=NO_TLS, data=form).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx2.get(f"{server.url}{API}/auth/me", verify=NO_TLS, headers=headers).status_code == 200
            assert httpx2.post(f"{server.url}{API}/auth/logout", verify=NO_TLS, headers=headers).status_code == 204
            assert httpx2.get(f"{server.url}{API}/auth/me", verify=NO_TLS, headers=headers).status_code == 401


def test_a_production_start_that_is_not_safe_lists_every_finding_and_no_secret(tmp_path: Path) -> None:
    """S45, S72, S81, JW-03: one message, each finding with its remedy."""
    refused = ostiary(
        tmp_path, "serve", SECRET_KEY="hunter2-hunter2", ALLOWED_ORIGINS="*", ACCESS_TOKEN_EXPIRE_MINUTES="0"
    )
    assert refused.returncode == 2
    for name in ("PUBLIC_URL", "SECRET_KEY", "ALLOWED_ORIGINS", "ACCESS_TOKEN_EXPIRE_MINUTES"):
        assert f"- {name}: " in refused.stderr
    assert "hunter2" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_is_away_is_said_so_in_a_few_lines(tmp_path: Path) -> None:
    away = "postgresql://someone:hunter2@127.0.0.1:1/accounts"
    refused = ostiary(tmp_path, "serve", ENVIRONMENT="development", SECRET_KEY=GOOD_SECRET, DATABASE_URL=away)
    assert refused.returncode == 1
    assert "database: unavailable" in refused.stderr
    assert "hunter2" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_schema_that_is_not_current_is_not_served(tmp_path: Path) -> None:
    refused = ostiary(tmp_path, "serve", ENVIRONMENT="development", SECRET_KEY=GOOD_SECRET)
    assert refused.returncode == 1
    assert "ostiary migrate" in refused.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ostiary(tmp_path, "init")
        refused = ostiary(tmp_path, "serve", "--migrate", "--port", port)
    assert refused.returncode != 0
    assert port in refused.stderr
    assert "in use" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_production_serves_no_api_document_and_only_its_own_host(tmp_path: Path) -> None:
    """S83, S85."""
    production = {
        "ENVIRONMENT": "production",
        "SECRET_KEY": GOOD_SECRET,
        "PUBLIC_URL": "https://accounts.example.com",
        "FRONTEND_URL": "https://app.example.com",
        "EMAIL_VERIFICATION": "optional",
        "WORKERS": "1",
    }
    with running(tmp_path, **production) as server:
        host = {"Host": "accounts.example.com"}
        assert httpx2.get(f"{server.url}/docs", verify=NO_TLS, headers=host).status_code == 404
        assert httpx2.get(f"{server.url}/openapi.json", verify=NO_TLS, headers=host).status_code == 404
        assert httpx2.get(f"{server.url}{API}/auth/me", verify=NO_TLS).json()["code"] == "HOST_NOT_ALLOWED"
        assert (
            httpx2.get(f"{server.url}{API}/auth/me", verify=NO_TLS, headers=host).json()["code"] == "NOT_AUTHENTICATED"
        )
        assert "server" not in httpx2.get(f"{server.url}/health", verify=NO_TLS, headers=host).headers
