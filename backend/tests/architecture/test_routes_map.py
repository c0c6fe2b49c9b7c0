"""The application that the routes are in does not start unless each of them says who may call it."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket

from app.auth.actor import CurrentUser
from app.auth.dependencies import Guard, Public, SignedIn, get_current_user, require
from app.config import ConfigurationError, Settings
from app.main import create_app
from app.routes import check_route_map, route_map
from tests.architecture.extensions import WriteModule, write_module
from tests.conftest import settings_for

__all__ = ["write_module"]


class OfficeHours(Guard):
    """A rule of a product's own, whose words happen to hold another guard's."""

    statement = "anybody but on public holidays"

    async def __call__(self) -> None:
        """Let everybody in."""


def findings(app: FastAPI) -> list[str]:
    """Return what the check says of an application; nothing when it may start."""
    try:
        check_route_map(app)
    except ConfigurationError as error:
        return error.findings
    return []


def guard_of(app: FastAPI, path: str) -> str | None:
    return next(entry.guard for entry in route_map(app) if entry.path == path)


def settings_with(*extensions: str) -> Settings:
    return settings_for("sqlite:///nothing.db", EXTENSIONS=list(extensions))


@pytest.fixture
def app() -> FastAPI:
    """An empty application: the framework's own document routes are off, as in ours."""
    return FastAPI(openapi_url=None)


@pytest.fixture
def router() -> APIRouter:
    return APIRouter(prefix="/product")


async def endpoint() -> None:
    """Do nothing."""


def test_a_route_without_a_guard_is_refused_by_name(app: FastAPI, router: APIRouter) -> None:
    """S11, S13, 3.5-16: forgetting the guard is an error at start, not an open door."""
    router.add_api_route("/orders", endpoint, methods=["GET", "POST"])
    app.include_router(router, prefix="/api/v1")
    [finding] = findings(app)
    assert finding.startswith(f"GET,POST /api/v1/product/orders ({__name__}.endpoint) does not say who may call it.")
    assert "dependencies=[Public]" in finding


def test_every_finding_is_named_at_once(app: FastAPI) -> None:
    app.add_api_route("/a", endpoint)
    app.add_api_route("/b", endpoint)
    app.add_api_route("/c", endpoint, dependencies=[Public])
    app.add_api_route("/c", endpoint, dependencies=[Public])
    assert [finding.partition(" (")[0].partition(" is")[0] for finding in findings(app)] == [
        "GET /a",
        "GET /b",
        "GET /c",
    ]


def test_a_guard_in_the_signature_counts(app: FastAPI) -> None:
    @app.get("/mine")
    async def mine(user: SignedIn) -> None:
        """Take the caller."""

    assert findings(app) == []
    assert guard_of(app, "/mine") == "signed in"


def test_a_permission_is_said_in_the_map(app: FastAPI) -> None:
    """V8.1.1: the map of who may do what is made from the routes themselves."""

    @app.get("/orders")
    async def orders(user: Annotated[CurrentUser, Depends(require("orders:read"))]) -> None:
        """Take the caller."""

    assert guard_of(app, "/orders") == "permission orders:read"


@pytest.mark.parametrize("place", ["route", "router", "inclusion", "application", "dependency", "security"])
def test_a_guard_counts_wherever_it_is_declared(place: str) -> None:
    def at(*places: str) -> list[object]:
        return [Depends(get_current_user)] if place in places else []

    async def helper(user: SignedIn) -> None:
        """Ask for the caller on behalf of a route."""

    own: list[object] = at("route")
    own += [Depends(helper)] if place == "dependency" else []
    own += [Security(get_current_user)] if place == "security" else []
    app = FastAPI(openapi_url=None, dependencies=at("application"))  # type: ignore[arg-type]
    router = APIRouter(dependencies=at("router"))  # type: ignore[arg-type]
    router.add_api_route("/orders", endpoint, dependencies=own)  # type: ignore[arg-type]
    app.include_router(router, dependencies=at("inclusion"))  # type: ignore[arg-type]
    assert findings(app) == []
    assert guard_of(app, "/orders") == "signed in"


def test_a_dependency_that_is_no_guard_does_not_count(app: FastAPI) -> None:
    async def looks_like_a_guard() -> str:
        """Return something."""
        return "signed in"

    app.add_api_route("/orders", endpoint, dependencies=[Depends(looks_like_a_guard)])
    assert len(findings(app)) == 1


@pytest.mark.parametrize("other", [get_current_user, require("orders:read"), OfficeHours()])
def test_public_and_another_guard_contradict_each_other(app: FastAPI, other: Any) -> None:
    """S21: `public` says that there is no rule, so a rule beside it is a mistake in one of them."""
    app.add_api_route("/orders", endpoint, dependencies=[Public, Depends(other)])
    assert [finding.endswith("says public and something else. Keep one") for finding in findings(app)] == [True]


@pytest.mark.parametrize("guard", [require("public:read"), OfficeHours()])
def test_a_rule_whose_words_hold_public_contradicts_nothing(app: FastAPI, guard: Any) -> None:
    app.add_api_route("/orders", endpoint, dependencies=[Depends(guard)])
    assert findings(app) == []


def test_a_path_and_method_taken_twice_is_refused(app: FastAPI, router: APIRouter) -> None:
    """3.5-16: the second route would never be reached, or shadow the first with another guard."""
    router.add_api_route("/orders", endpoint, methods=["GET", "POST"], dependencies=[Public])
    app.include_router(router)
    app.add_api_route("/product/orders", endpoint, methods=["POST", "DELETE"], dependencies=[Public])
    name = f"{__name__}.endpoint"
    assert findings(app) == [f"POST /product/orders is taken twice: by {name} and by {name}"]


def test_a_route_taken_twice_and_once_without_a_guard_is_refused_by_name(app: FastAPI) -> None:
    """3.5-16: both mistakes at once are still two findings, and no crash."""
    app.add_api_route("/orders", endpoint, dependencies=[Public])
    app.add_api_route("/orders", endpoint)
    assert len(findings(app)) == 2


def test_one_path_with_two_methods_is_two_routes(app: FastAPI) -> None:
    app.add_api_route("/orders", endpoint, methods=["GET"], dependencies=[Public])
    app.add_api_route("/orders", endpoint, methods=["POST"], dependencies=[Depends(get_current_user)])
    assert findings(app) == []


def test_a_mounted_application_is_seen_and_refused(app: FastAPI, router: APIRouter) -> None:
    """3.2-12, 3.5-16: whatever is mounted answers without any of our guards."""
    router.mount("/files", FastAPI())
    app.include_router(router, prefix="/api/v1", dependencies=[Public])
    app.mount("/admin", FastAPI())
    paths = ["/admin/{path}", "/api/v1/files/{path}"]
    assert [(entry.path, entry.guard) for entry in route_map(app)] == [(path, None) for path in paths]
    assert [finding.split(" (")[0] for finding in findings(app)] == [f"MOUNT {path}" for path in paths]
    assert all("cannot be guarded" in finding for finding in findings(app))


def test_a_websocket_is_seen_and_refused_whatever_it_says(app: FastAPI, router: APIRouter) -> None:
    """3.5-16: no guard of ours knows how to refuse a connection that is not a request."""

    @router.websocket("/silent")
    async def silent(socket: WebSocket) -> None:
        """Say nothing."""

    @router.websocket("/open", dependencies=[Public])
    async def everybody(socket: WebSocket) -> None:
        """Say nothing."""

    app.include_router(router, prefix="/api/v1")
    assert [finding.split(" (")[0] for finding in findings(app)] == [
        "WEBSOCKET /api/v1/product/open",
        "WEBSOCKET /api/v1/product/silent",
    ]
    assert all("cannot be guarded" in finding for finding in findings(app))


def test_a_route_outside_the_document_is_seen(app: FastAPI) -> None:
    app.add_api_route("/hidden", endpoint, include_in_schema=False)
    assert len(findings(app)) == 1


def test_a_route_that_goes_round_the_framework_is_seen(app: FastAPI, router: APIRouter) -> None:
    """3.5-16: a plain Starlette route has no dependencies, so it can say nothing."""
    router.add_route("/plain", endpoint)  # type: ignore[arg-type]
    app.include_router(router)
    assert guard_of(app, "/plain") is None
    assert len(findings(app)) == 1


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("@router.get('/a')\nasync def a() -> None: ...", "GET /api/v1/product/a"),
        ("router.mount('/files', FastAPI())", "MOUNT /api/v1/files/{path}"),
        ("@router.websocket('/ws')\nasync def ws(socket: WebSocket) -> None: ...", "/api/v1/product/ws"),
        (
            "@router.get('/a', dependencies=[Public])\nasync def a(user: SignedIn) -> None: ...",
            "says public and something else",
        ),
        (
            "router = APIRouter()\n@router.get('/auth/me', dependencies=[Public])\nasync def me() -> None: ...",
            "GET /api/v1/auth/me is taken twice",
        ),
        (
            "prefix = ''\nrouter = APIRouter()\n@router.get('/health', dependencies=[Public])\nasync def h() -> None: ...",
            "GET /health is taken twice",
        ),
    ],
)
def test_the_application_does_not_start_with_an_extension_that_leaves_a_door_open(
    write_module: WriteModule, source: str, finding: str
) -> None:
    """S11, 3.5-16: the product's own routes stand under the same check as ours."""
    with pytest.raises(ConfigurationError) as refusal:
        create_app(settings_with(write_module(source)))
    assert [finding in text for text in refusal.value.findings] == [True]


def test_the_application_starts_with_an_extension_that_states_its_guards(write_module: WriteModule) -> None:
    name = write_module(
        """
        @router.get("/prices", dependencies=[Public])
        async def prices() -> None: ...

        @router.delete("/prices", dependencies=[Depends(require("prices:write"))])
        async def forget() -> None: ...
        """
    )
    guards = {(e.methods, e.path): e.guard for e in route_map(create_app(settings_with(name)))}
    assert guards["GET", "/api/v1/product/prices"] == "public"
    assert guards["DELETE", "/api/v1/product/prices"] == "permission prices:write"
