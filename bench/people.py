"""Makes the accounts and sessions that the load needs, through the API as anybody would, and files for wrk."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.client import API, answers, login_form, post_form, post_json, set_cookies

ACCOUNTS = 64
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class People:
    """Some people with accounts; `forms` are what they sign in with."""

    port: int
    forms: list[str]
    scratch: Path

    async def sign_in(self, sessions: int) -> list[dict[str, Any]]:
        """Begin so many new sessions, everybody in turn, and return their tokens."""
        forms = [self.forms[index % len(self.forms)] for index in range(sessions)]
        return await answers(self.port, [post_form(f"{API}/auth/login", form) for form in forms])

    async def cookies(self, sessions: int) -> list[str]:
        """Begin so many sessions that are carried by a cookie, and return what stands in the Cookie header."""
        request = "Origin: https://127.0.0.1\r\n"
        forms = [self.forms[index % len(self.forms)] for index in range(sessions)]
        path = f"{API}/auth/login?transport=cookie"
        return await set_cookies(self.port, [post_form(path, form, headers=request) for form in forms])

    def write(self, name: str, lines: list[str]) -> str:
        """Write a file with one line for each request or token, and return its path."""
        path = self.scratch / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)


async def register_people(port: int, scratch: Path) -> People:
    """Register everybody whom the load needs."""
    emails = [f"{secrets.token_hex(8)}@example.com" for _ in range(ACCOUNTS)]
    requests = [post_json(f"{API}/auth/register", {"email": email, "password": PASSWORD}) for email in emails]
    await answers(port, requests)
    return People(port, [login_form(email, PASSWORD) for email in emails], scratch)
