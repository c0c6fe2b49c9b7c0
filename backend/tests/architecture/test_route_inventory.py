"""Who may call what, written down once more by hand: a change here is a security review."""

import re

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from app.main import create_app
from app.routes import route_map
from tests.conftest import settings_for
from tests.middleware import product

_INVENTORY = [
    ("GET", "/.well-known/jwks.json", "public"),
    ("GET", "/api/v1/audit/events", "permission audit:read"),
    ("GET", "/api/v1/audit/events.jsonl", "permission audit:read"),
    ("POST", "/api/v1/auth/code/request", "public"),
    ("POST", "/api/v1/auth/code/sign-in", "public"),
    ("POST", "/api/v1/auth/email/veto", "public"),
    ("POST", "/api/v1/auth/exchange", "public"),
    ("POST", "/api/v1/auth/login", "public"),
    ("POST", "/api/v1/auth/logout", "signed in"),
    ("POST", "/api/v1/auth/logout/all", "signed in"),
    ("POST", "/api/v1/auth/logout/others", "signed in"),
    ("GET", "/api/v1/auth/me", "signed in"),
    ("PATCH", "/api/v1/auth/me", "signed in"),
    (
        "POST",
        "/api/v1/auth/me/delete",
        "signed in; without a password, or with a second factor, proved within 10 minutes",
    ),
    ("POST", "/api/v1/auth/me/email", "proved within 10 minutes"),
    ("POST", "/api/v1/auth/me/email/confirm", "signed in"),
    ("GET", "/api/v1/auth/me/events", "signed in"),
    ("GET", "/api/v1/auth/me/factors", "signed in"),
    ("GET", "/api/v1/auth/me/identities", "signed in"),
    ("DELETE", "/api/v1/auth/me/identities/{identity_id}", "proved within 10 minutes"),
    ("GET", "/api/v1/auth/me/passkeys", "signed in"),
    ("POST", "/api/v1/auth/me/passkeys", "proved within 10 minutes"),
    ("POST", "/api/v1/auth/me/passkeys/options", "proved within 10 minutes"),
    ("DELETE", "/api/v1/auth/me/passkeys/{passkey_id}", "proved within 10 minutes"),
    ("PATCH", "/api/v1/auth/me/passkeys/{passkey_id}", "signed in"),
    (
        "POST",
        "/api/v1/auth/me/password",
        "signed in; without a password, or with a second factor, proved within 10 minutes",
    ),
    ("POST", "/api/v1/auth/me/recovery-codes", "proved within 10 minutes"),
    ("DELETE", "/api/v1/auth/me/remembered-devices", "signed in"),
    ("DELETE", "/api/v1/auth/me/remembered-devices/{device_id}", "signed in"),
    ("DELETE", "/api/v1/auth/me/totp", "proved within 10 minutes"),
    ("POST", "/api/v1/auth/me/totp", "proved within 10 minutes"),
    ("POST", "/api/v1/auth/me/totp/confirm", "proved within 10 minutes"),
    ("POST", "/api/v1/auth/passkey", "public"),
    ("POST", "/api/v1/auth/passkey/options", "public"),
    ("POST", "/api/v1/auth/password/forgot", "public"),
    ("POST", "/api/v1/auth/password/reset", "public"),
    ("POST", "/api/v1/auth/reauthenticate", "signed in"),
    ("POST", "/api/v1/auth/reauthenticate/passkey/options", "signed in"),
    ("POST", "/api/v1/auth/refresh", "public"),
    ("POST", "/api/v1/auth/register", "public"),
    ("POST", "/api/v1/auth/second-factor", "public"),
    ("POST", "/api/v1/auth/second-factor/passkey/options", "public"),
    ("POST", "/api/v1/auth/second-factor/status", "public"),
    ("POST", "/api/v1/auth/second-factor/totp", "public"),
    ("POST", "/api/v1/auth/second-factor/totp/confirm", "public"),
    ("POST", "/api/v1/auth/undo", "public"),
    ("POST", "/api/v1/auth/verification/confirm", "public"),
    ("POST", "/api/v1/auth/verification/resend", "public"),
    ("GET", "/api/v1/auth/{provider}/callback", "public"),
    ("POST", "/api/v1/auth/{provider}/code", "public"),
    ("POST", "/api/v1/auth/{provider}/id-token", "public"),
    ("POST", "/api/v1/auth/{provider}/link", "proved within 10 minutes"),
    ("GET", "/api/v1/auth/{provider}/login", "public"),
    ("POST", "/api/v1/auth/{provider}/nonce", "public"),
    ("POST", "/api/v1/auth/{provider}/start", "public"),
    ("GET", "/api/v1/invitations/", "permission users:invite"),
    ("POST", "/api/v1/invitations/", "permission users:invite"),
    ("POST", "/api/v1/invitations/accept", "public"),
    ("DELETE", "/api/v1/invitations/{invitation_id}", "permission users:invite"),
    ("GET", "/api/v1/sessions/", "signed in"),
    ("DELETE", "/api/v1/sessions/{session_id}", "signed in"),
    ("GET", "/api/v1/sessions/{session_id}", "signed in"),
    ("GET", "/api/v1/users/", "permission users:read"),
    ("GET", "/api/v1/users/{user_id}", "signed in"),
    ("PATCH", "/api/v1/users/{user_id}", "permission users:write"),
    ("POST", "/api/v1/users/{user_id}/factors/reset", "permission users:reset_factors, proved within 10 minutes"),
    ("DELETE", "/api/v1/users/{user_id}/sessions", "permission users:write"),
    ("GET", "/api/v1/users/{user_id}/sessions", "permission users:read"),
    ("GET", "/assets/{name}", "public"),
    ("GET", "/health", "public"),
    ("HEAD", "/health", "public"),
    ("GET", "/health/ready", "public"),
    ("HEAD", "/health/ready", "public"),
    ("POST", "/mail/change", "signed in"),
    ("POST", "/mail/forgot", "public"),
    ("POST", "/mail/invitation", "public"),
    ("POST", "/mail/reset", "public"),
    ("POST", "/mail/sign-in", "public"),
    ("POST", "/mail/sign-in/mail", "public"),
    ("GET,HEAD", "/mail/sign-in/second-factor", "public"),
    ("POST", "/mail/sign-in/second-factor", "public"),
    ("POST", "/mail/sign-in/second-factor/app", "public"),
    ("POST", "/mail/sign-in/second-factor/app/confirm", "public"),
    ("POST", "/mail/undo", "public"),
    ("POST", "/mail/verify", "public"),
    ("POST", "/mail/verify/mail", "public"),
    ("POST", "/mail/veto", "public"),
    ("GET,HEAD", "/mail/{name}", "public"),
    ("GET,HEAD", "/setup", "public"),
    ("POST", "/setup", "public"),
]
INVENTORY = set(_INVENTORY)
DOCUMENT_ROUTES = {
    ("GET,HEAD", "/docs", "public"),
    ("GET,HEAD", "/openapi.json", "public"),
}
FACTORS_PAGE = ("GET,HEAD", "/dev/factors", "public")
SECOND_FACTOR_PATHS = re.compile(
    r"/api/v1/auth/second-factor|/mail/sign-in/second-factor"
    r"|/api/v1/auth/me/(factors|totp|recovery-codes|remembered-devices)"
)
MAIL = {"SMTP_HOST": "smtp.example.com", "MAIL_FROM": "accounts@example.com"}
PRODUCTION = {"ENVIRONMENT": "production", "PUBLIC_URL": "https://accounts.example.com", **MAIL}
NOT_THIS_MACHINE = {"PUBLIC_URL": "http://192.168.1.7:8000"}


def application(**changes: object) -> FastAPI:
    return create_app(settings_for("sqlite:///nothing.db", **changes))


def routes_of(app: FastAPI) -> list[tuple[str, str, str | None]]:
    return [(entry.methods, entry.path, entry.guard) for entry in route_map(app)]


def test_a_production_installation_serves_exactly_these_routes() -> None:
    """3.5-16, S11, S13, S83, V8.1.1: every route with who may call it, and no route more."""
    routes = routes_of(application(**PRODUCTION))
    assert sorted(routes) == sorted(_INVENTORY)
    assert len(routes) == 90


GOOGLE = {"GOOGLE_CLIENT_ID": "real", "GOOGLE_CLIENT_SECRET": "real"}


@pytest.mark.parametrize(
    "settings",
    [{**GOOGLE, **MAIL, **NOT_THIS_MACHINE}, {**PRODUCTION, "DOCS_ENABLED": True}],
    ids=["development", "asked for"],
)
def test_the_api_document_adds_two_routes_where_it_is_enabled(settings: dict[str, object]) -> None:
    """S83, V13.4.5."""
    routes = routes_of(application(**settings))
    assert len(routes) == 92
    assert set(routes) == INVENTORY | DOCUMENT_ROUTES


def test_who_has_no_client_at_google_gets_one_that_plays_google() -> None:
    """V13.4.2, V15.2.3: in development, and only where nobody else can reach the server."""
    added = set(routes_of(application(**MAIL))) - INVENTORY - DOCUMENT_ROUTES - {FACTORS_PAGE}
    assert len(added) == 10
    assert all(path.startswith("/dev/google/") and guard == "public" for _, path, guard in added)
    for elsewhere in (PRODUCTION, NOT_THIS_MACHINE, GOOGLE):
        assert not any(path.startswith("/dev/google") for _, path, _ in routes_of(application(**elsewhere)))


def test_who_has_no_mail_server_gets_a_mailbox() -> None:
    """V13.4.2, V15.2.3: in development, and only where nobody else can reach the server."""
    added = set(routes_of(application(**GOOGLE))) - INVENTORY - DOCUMENT_ROUTES - {FACTORS_PAGE}
    assert added == {
        ("GET,HEAD", "/dev/mailbox", "public"),
        ("GET,HEAD", "/dev/mailbox/{mail_id}", "public"),
        ("GET,HEAD", "/dev/mailbox/{mail_id}/html", "public"),
    }
    for elsewhere in (PRODUCTION, NOT_THIS_MACHINE, MAIL):
        assert not any(path.startswith("/dev/mailbox") for _, path, _ in routes_of(application(**elsewhere)))


def test_a_page_to_try_second_factors_is_served_on_this_machine_alone() -> None:
    """V13.4.2, V15.2.3: in development, and only where nobody else can reach the server."""
    assert FACTORS_PAGE in routes_of(application(**GOOGLE, **MAIL))
    for elsewhere in (PRODUCTION, NOT_THIS_MACHINE, {"SECOND_FACTOR": "off"}):
        assert FACTORS_PAGE not in routes_of(application(**elsewhere))


def test_without_second_factors_their_routes_are_not_served() -> None:
    """3.5-16: what is off cannot be asked for; passkeys still sign in, and can be removed, also by an administrator."""
    missing = INVENTORY - set(routes_of(application(**PRODUCTION, SECOND_FACTOR="off")))
    assert missing == {entry for entry in INVENTORY if SECOND_FACTOR_PATHS.match(entry[1])}


def test_an_extension_adds_its_routes_and_changes_none_of_ours() -> None:
    """3.5-16: they stand below its own prefix."""
    routes = routes_of(application(**PRODUCTION, EXTENSIONS=[product.NAME]))
    added = set(routes) - INVENTORY
    assert len(routes) == len(INVENTORY) + len(added)
    assert {path.split("/")[3] for _, path, _ in added} == {"product"}
    assert {guard for _, _, guard in added} == {"public"}


def test_the_map_sees_every_route_that_can_be_reached() -> None:
    """3.5-16: the framework keeps its routes as a tree; the leaves of the tree are the entries of the map."""
    app = application()
    leaves = [context for context in iter_route_contexts(app.routes) if isinstance(context.original_route, APIRoute)]
    assert len(leaves) == len(route_map(app))


def test_the_document_holds_every_api_route_of_the_inventory() -> None:
    """S102: what is documented is what is served."""
    documented = {
        (method.upper(), path) for path, operations in application().openapi()["paths"].items() for method in operations
    }
    served = {
        (m, path) for m, path, _ in INVENTORY if path.startswith(("/api/", "/health", "/.well-known/")) and m != "HEAD"
    }
    assert documented == served
