"""How each system is spoken to: paths, requests, what a sign-in gives, and the wrk scripts that do the same."""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass

from bench.client import API, get, login_form, post_form, post_json
from bench.peers.client import Answer
from bench.processes import HOST


@dataclass(frozen=True)
class Api(ABC):
    """The paths of a system. What a sign-in gives is a credential: one line, for a header."""

    register_path: str
    login_path: str
    me_path: str
    logout_path: str
    health_path: str
    me_script: str
    login_script: str
    register_script: str

    @abstractmethod
    def registration(self, email: str, password: str) -> bytes:
        """Return the request that makes an account."""

    @abstractmethod
    def credentials(self, email: str, password: str) -> str:
        """Return the body of a sign-in, in one line."""

    @abstractmethod
    def sign_in(self, credentials: str) -> bytes:
        """Return the request that signs in."""

    @abstractmethod
    def credential(self, answer: Answer) -> str:
        """Return what the answer to a sign-in gives."""

    @abstractmethod
    def ask_me(self, credential: str) -> bytes:
        """Return the request for one's own account."""

    @abstractmethod
    def sign_out(self, credential: str) -> bytes:
        """Return the request that ends the session."""


class Bearer(Api):
    """Sign-in by the OAuth2 password form, then a bearer token."""

    def registration(self, email: str, password: str) -> bytes:
        """Return the request that makes an account."""
        return post_json(self.register_path, {"email": email, "password": password})

    def credentials(self, email: str, password: str) -> str:
        """Return the form."""
        return login_form(email, password)

    def sign_in(self, credentials: str) -> bytes:
        """Return the request that signs in."""
        return post_form(self.login_path, credentials)

    def credential(self, answer: Answer) -> str:
        """Return the access token."""
        return str(json.loads(answer.body)["access_token"])

    def ask_me(self, credential: str) -> bytes:
        """Return the request for one's own account."""
        return get(self.me_path, token=credential)

    def sign_out(self, credential: str) -> bytes:
        """Return the request that ends the session."""
        return post_json(self.logout_path, {}, token=credential)


class Cookies(Api):
    """Sign-in by JSON, then cookies."""

    def registration(self, email: str, password: str) -> bytes:
        """Return the request that makes an account."""
        return post_json(self.register_path, {"name": "Ada", "email": email, "password": password})

    def credentials(self, email: str, password: str) -> str:
        """Return the JSON."""
        return json.dumps({"email": email, "password": password})

    def sign_in(self, credentials: str) -> bytes:
        """Return the request that signs in."""
        return post_json(self.login_path, json.loads(credentials))

    def credential(self, answer: Answer) -> str:
        """Return the cookies."""
        return answer.cookies

    def ask_me(self, credential: str) -> bytes:
        """Return the request for one's own account."""
        return _with_header(get(self.me_path), f"Cookie: {credential}")

    def sign_out(self, credential: str) -> bytes:
        """Return the request that ends the session; with cookies it has to say which site it comes from."""
        request = _with_header(post_json(self.logout_path, {}), f"Cookie: {credential}")
        return _with_header(request, f"Origin: https://{HOST}")


def _with_header(request: bytes, line: str) -> bytes:
    """Return a request with one more line in its head."""
    first, end, rest = request.partition(b"\r\n")
    return first + end + line.encode() + end + rest


OSTIARY = Bearer(
    register_path=f"{API}/auth/register",
    login_path=f"{API}/auth/login",
    me_path=f"{API}/auth/me",
    logout_path=f"{API}/auth/logout",
    health_path="/health",
    me_script="me",
    login_script="login",
    register_script="register",
)
FASTAPI_USERS = Bearer(
    register_path="/auth/register",
    login_path="/auth/login",
    me_path="/users/me",
    logout_path="/auth/logout",
    health_path="/health",
    me_script="me",
    login_script="login",
    register_script="register",
)
BETTER_AUTH = Cookies(
    register_path="/api/auth/sign-up/email",
    login_path="/api/auth/sign-in/email",
    me_path="/api/auth/get-session",
    logout_path="/api/auth/sign-out",
    health_path="/api/auth/ok",
    me_script="cookie",
    login_script="login_json",
    register_script="register_named",
)
