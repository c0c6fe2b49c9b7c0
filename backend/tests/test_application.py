"""The shortest way to a route leads where a search through all routes would."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Body, FastAPI, Query, Request, Response
from pydantic import BaseModel

from app.application import Application, PathIndex
from app.auth.body_route import BodyRoute
from app.auth.caller_route import CallerRoute
from app.auth.dependencies import Public, SignedIn
from app.routes import route_map
from tests.middleware.asgi import ask


class Text(BaseModel):
    """A body, and an answer."""

    text: str


async def serve(app: FastAPI, path: str, *, method: str = "GET") -> tuple[int, bytes]:
    """Return status and body of an answer."""
    answer = await ask(app, path, method=method)
    return answer.status, answer.body


async def test_every_path_without_a_parameter_is_found_at_once(app: FastAPI) -> None:
    index = PathIndex(app.router)
    index._refresh()
    static = {
        (method, entry.path) for entry in route_map(app) for method in entry.methods.split(",") if "{" not in entry.path
    }
    assert set(index._found) == static


async def test_the_first_of_two_routes_wins_also_when_it_takes_anything() -> None:
    """A greedy route that stands first hides a later one, as in a search."""
    app = Application(openapi_url=None)

    @app.get("/{rest:path}")
    async def greedy(rest: str) -> str:
        return f"greedy {rest}"

    @app.get("/exact")
    async def exact() -> str:
        return "exact"

    assert await serve(app, "/exact") == (200, b'"greedy exact"')


async def test_a_route_that_is_added_later_is_found() -> None:
    app = Application(openapi_url=None)
    index = PathIndex(app.router)
    assert ("GET", "/later") not in index._refresh()

    @app.get("/later")
    async def later() -> str:
        return "later"

    assert ("GET", "/later") in index._refresh()


async def test_routes_of_an_included_router_are_found_and_know_their_prefix() -> None:
    app, router = Application(openapi_url=None), APIRouter(prefix="/inner")

    @router.get("/place")
    async def place(request: Request) -> str:
        return request.url.path

    app.include_router(router, prefix="/outer")
    assert ("GET", "/outer/inner/place") in PathIndex(app.router)._refresh()
    assert await serve(app, "/outer/inner/place") == (200, b'"/outer/inner/place"')


async def test_another_method_and_another_path_are_left_to_the_search() -> None:
    app = Application(openapi_url=None)

    @app.get("/exact")
    async def exact() -> str:
        return "exact"

    assert (await serve(app, "/exact", method="POST"))[0] == 405
    assert (await serve(app, "/exact/"))[0] in {307, 404}
    assert (await serve(app, "/other"))[0] == 404


def test_a_caller_route_asks_for_its_caller_alone() -> None:
    async def with_query(user: SignedIn, page: Annotated[int, Query()] = 1) -> Text:
        return Text(text=f"{user.email} {page}")

    async def without_caller() -> Text:
        return Text(text="")

    async def without_answer(user: SignedIn) -> None:
        del user

    for endpoint in (with_query, without_caller, without_answer):
        with pytest.raises(ValueError, match="its caller"):
            CallerRoute("/x", endpoint)


def test_a_body_route_is_public_and_asks_for_its_body_and_the_request_alone() -> None:
    async def good(body: Text, request: Request) -> Text:
        del request
        return body

    async def with_caller(body: Text, request: Request, user: SignedIn) -> Text:
        del request, user
        return body

    async def two_bodies(body: Text, other: Annotated[int, Body()], request: Request) -> Text:
        del request, other
        return body

    BodyRoute("/x", good, dependencies=[Public])
    for endpoint, dependencies in ((good, []), (with_caller, [Public]), (two_bodies, [Public])):
        with pytest.raises(ValueError, match="its body"):
            BodyRoute("/x", endpoint, dependencies=dependencies)


async def test_a_mount_that_stands_first_keeps_what_is_below_it() -> None:
    app, below = Application(openapi_url=None), FastAPI(openapi_url=None)

    @below.get("/place")
    async def mounted() -> str:
        return "mounted"

    app.mount("/inner", below)

    @app.get("/inner/place")
    async def later() -> str:
        return "later"

    assert await serve(app, "/inner/place") == (200, b'"mounted"')


async def test_a_route_of_one_router_can_name_one_of_another() -> None:
    app, first, second = Application(openapi_url=None), APIRouter(), APIRouter()

    @first.get("/here")
    async def here(request: Request) -> str:
        return str(request.url_for("there").path)

    @second.get("/there")
    async def there() -> str:
        return ""

    app.include_router(first)
    app.include_router(second)
    assert await serve(app, "/here") == (200, b'"/there"')


def test_direct_routes_take_no_option_that_they_would_ignore() -> None:
    async def with_response(user: SignedIn, response: Response) -> Text:
        del user, response
        return Text(text="")

    async def good(user: SignedIn) -> Text:
        del user
        return Text(text="")

    for endpoint, options in ((with_response, {}), (good, {"status_code": 201})):
        with pytest.raises(ValueError, match="its caller"):
            CallerRoute("/x", endpoint, **options)
