from pathlib import Path

import httpx2

from tests.accounts import API
from tests.journeys.server import NO_TLS, ostiary, running

FORM = {"email": "root@example.com", "password": "seven lanterns by the sea"}


def test_the_link_of_the_first_start_makes_one_administrator(tmp_path: Path, empty_database_url: str) -> None:
    """S44: the first administrator is defined, and nobody else can become it."""
    with running(tmp_path, DATABASE_URL=empty_database_url) as server:
        assert httpx2.get(f"{server.url}/setup", verify=NO_TLS).status_code == 200
        form = {**FORM, "code": server.setup_code or ""}
        assert httpx2.post(f"{server.url}/setup", verify=NO_TLS, data=form).status_code == 200
        again = httpx2.post(f"{server.url}/setup", verify=NO_TLS, data={**form, "email": "second@example.com"})
        assert again.status_code == 403
        token = sign_in(server.url)
        users = httpx2.get(f"{server.url}{API}/users/", verify=NO_TLS, headers={"Authorization": f"Bearer {token}"})
        assert [user["email"] for user in users.json()["items"]] == ["root@example.com"]
    with running(tmp_path, DATABASE_URL=empty_database_url) as server:
        assert server.setup_code is None


def test_the_command_makes_an_administrator(tmp_path: Path, empty_database_url: str) -> None:
    with running(tmp_path, DATABASE_URL=empty_database_url) as server:
        made = ostiary(
            tmp_path,
            "users",
            "create-admin",
            "--email",
            FORM["email"],
            "--password-stdin",
            stdin=FORM["password"] + "\n",
            DATABASE_URL=empty_database_url,
        )
        assert made.returncode == 0, made.stderr
        token = sign_in(server.url)
        me = httpx2.get(f"{server.url}{API}/auth/me", verify=NO_TLS, headers={"Authorization": f"Bearer {token}"})
        assert me.json()["role"] == "admin"
        form = {**FORM, "code": server.setup_code or "", "email": "second@example.com"}
        assert httpx2.post(f"{server.url}/setup", verify=NO_TLS, data=form).status_code == 403


def sign_in(url: str) -> str:
    form = {"username": FORM["email"], "password": FORM["password"]}
    token: str = httpx2.post(f"{url}{API}/auth/login", verify=NO_TLS, data=form).json()["access_token"]
    return token
