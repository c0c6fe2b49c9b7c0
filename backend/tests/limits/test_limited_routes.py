"""Which routes are limited by what, written down once more by hand: a change here is a security review."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from app.auth.dependencies import Public
from app.auth.limited import Limited
from app.limits.policy import LIMITS, Limit, Per
from app.main import create_app
from app.openapi import install_openapi
from app.routes import route_map
from tests.conftest import settings_for

LIMITED = {
    ("GET", "/api/v1/auth/{provider}/callback"): "provider",
    ("GET", "/api/v1/auth/{provider}/login"): "provider",
    ("POST", "/api/v1/auth/code/request"): "send-code",
    ("POST", "/api/v1/auth/code/sign-in"): "mailed-code",
    ("POST", "/api/v1/auth/exchange"): "provider",
    ("POST", "/api/v1/auth/email/veto"): "mailed-link",
    ("POST", "/api/v1/auth/login"): "sign-in",
    ("POST", "/api/v1/auth/me/delete"): "password-again",
    ("POST", "/api/v1/auth/me/email"): "change-address",
    ("POST", "/api/v1/auth/me/email/confirm"): "mailed-code",
    ("POST", "/api/v1/auth/me/password"): "password-again",
    ("POST", "/api/v1/auth/me/totp/confirm"): "factor-again",
    ("POST", "/api/v1/auth/passkey"): "passkey",
    ("POST", "/api/v1/auth/passkey/options"): "passkey-options",
    ("POST", "/api/v1/auth/password/forgot"): "send-reset",
    ("POST", "/api/v1/auth/password/reset"): "mailed-code",
    ("POST", "/api/v1/auth/reauthenticate"): "password-again",
    ("POST", "/api/v1/auth/register"): "register",
    ("POST", "/api/v1/auth/second-factor"): "second-factor",
    ("POST", "/api/v1/auth/second-factor/passkey/options"): "second-factor",
    ("POST", "/api/v1/auth/second-factor/status"): "second-factor",
    ("POST", "/api/v1/auth/second-factor/totp"): "second-factor",
    ("POST", "/api/v1/auth/second-factor/totp/confirm"): "second-factor",
    ("POST", "/api/v1/auth/undo"): "mailed-link",
    ("POST", "/api/v1/auth/verification/confirm"): "mailed-code",
    ("POST", "/api/v1/auth/verification/resend"): "send-verification",
    ("POST", "/api/v1/auth/{provider}/code"): "provider",
    ("POST", "/api/v1/auth/{provider}/id-token"): "provider",
    ("POST", "/api/v1/auth/{provider}/link"): "provider",
    ("POST", "/api/v1/auth/{provider}/nonce"): "provider",
    ("POST", "/api/v1/auth/{provider}/start"): "provider",
    ("POST", "/mail/change"): "mailed-code",
    ("POST", "/mail/forgot"): "send-reset",
    ("POST", "/mail/invitation"): "mailed-link",
    ("POST", "/mail/reset"): "mailed-code",
    ("POST", "/mail/sign-in"): "mailed-code",
    ("POST", "/mail/sign-in/mail"): "send-code",
    ("GET,HEAD", "/mail/sign-in/second-factor"): "passkey-options",
    ("POST", "/mail/sign-in/second-factor"): "second-factor",
    ("POST", "/mail/sign-in/second-factor/app"): "second-factor",
    ("POST", "/mail/sign-in/second-factor/app/confirm"): "second-factor",
    ("POST", "/mail/undo"): "mailed-link",
    ("POST", "/mail/verify"): "mailed-code",
    ("POST", "/mail/verify/mail"): "send-verification",
    ("POST", "/mail/veto"): "mailed-link",
    ("POST", "/api/v1/invitations/"): "invite",
    ("POST", "/api/v1/invitations/accept"): "mailed-link",
    ("POST", "/setup"): "set-up",
}
"""What guesses, what sends, and what has others asked."""
UNLIMITED = {
    (
        "POST",
        "/api/v1/auth/refresh",
    ): "a refresh token holds 256 bits and a MAC, which is checked before anything is asked",
}
"""Public routes that change something and name no limit, each with the reason."""


@pytest.fixture(scope="module")
def application() -> FastAPI:
    settings = settings_for("sqlite:///nothing.db", GOOGLE_CLIENT_ID="real", GOOGLE_CLIENT_SECRET="real")
    return create_app(settings)


def test_these_routes_are_limited_by_these_names(application: FastAPI) -> None:
    """S36, V2.4.1, V6.3.1, 3.7-07."""
    named = {(e.methods, e.path): ", ".join(e.limits) for e in route_map(application) if e.limits}
    assert {route: named.get(route) for route in LIMITED} == LIMITED


def test_whatever_everybody_may_send_something_to_names_a_limit_or_a_reason(application: FastAPI) -> None:
    """S36, V2.4.1: a new public route that guesses or sends cannot be forgotten."""
    bare = [
        (entry.methods, entry.path)
        for entry in route_map(application)
        if not entry.limits and entry.guard == "public" and not set(entry.methods.split(",")) <= {"GET", "HEAD"}
    ]
    assert [route for route in bare if route not in UNLIMITED] == []


def fields_of(schema: dict[str, Any], named: dict[str, Any]) -> set[str]:
    """Return the names of a body's fields, of each form that it may have."""
    forms = schema.get("oneOf") or schema.get("anyOf")
    if forms:
        return set[str]().union(*(fields_of(form, named) for form in forms))
    if "$ref" in schema:
        return fields_of(named[schema["$ref"].rpartition("/")[2]], named)
    return set(schema.get("properties", {}))


def test_whatever_takes_a_password_or_a_code_names_a_limit(application: FastAPI) -> None:
    """3.7-07: found by what the API document says that a route takes."""
    document = application.openapi()
    guessed = {"password", "current_password", "code"}
    limits = {(e.methods.lower(), e.path): e.limits for e in route_map(application)}
    taking = [
        (method, path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if guessed & fields_of(content["schema"], document["components"]["schemas"])
    ]
    assert len(taking) >= 9
    assert ("post", "/api/v1/auth/second-factor") in taking
    assert [route for route in taking if not limits[route]] == []


@pytest.mark.parametrize(("method", "path"), LIMITED, ids=lambda value: value)
def test_a_limited_route_documents_that_it_may_say_wait(application: FastAPI, method: str, path: str) -> None:
    """PD-01."""
    if not path.startswith("/api"):
        return
    responses = application.openapi()["paths"][path][method.lower()]["responses"]
    assert "RATE_LIMITED" in str(responses["429"])
    assert "LIMITS_UNAVAILABLE" in str(responses["503"])


def test_a_product_can_limit_its_own_routes() -> None:
    """3.7-03: by a limit of its own, or by one of ours."""
    router = APIRouter()
    coupon = Limit("coupon", LIMITS["register"].rules)

    @router.post("/coupons", dependencies=[Public, Limited(coupon)])
    async def redeem() -> None:
        """Redeem a coupon."""

    app = FastAPI()
    app.include_router(router)
    install_openapi(app)
    [entry] = [entry for entry in route_map(app) if entry.path == "/coupons"]
    assert entry.limits == ("coupon",)
    assert "429" in app.openapi()["paths"]["/coupons"]["post"]["responses"]


@pytest.mark.parametrize(("name", "account"), [("sign-in", None), ("register", "email"), ("send-code", None)])
def test_a_limit_on_accounts_needs_to_know_where_the_account_is_typed(name: str, account: str | None) -> None:
    """A forgotten field would count nothing, without a word."""
    with pytest.raises(ValueError, match=name):
        Limited(name, account=account)


def test_an_unknown_name_is_refused_when_the_route_is_written() -> None:
    with pytest.raises(KeyError):
        Limited("no such limit")


def test_every_limit_on_an_account_also_counts_what_one_address_tries() -> None:
    """3.7-10: whoever tries one password at many accounts meets a limit as well."""
    for limit in LIMITS.values():
        pers = {rule.per for rule in limit.rules}
        assert Per.ACCOUNT not in pers or Per.ADDRESS in pers
