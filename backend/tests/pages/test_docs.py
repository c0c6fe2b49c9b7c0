import re
from importlib.resources import files

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from tests.answers import problem_of
from tests.conftest import settings_for
from tests.middleware.asgi import ask
from tests.pages.html import Page

pytestmark = pytest.mark.only("sqlite")  # These pages ask no database.

PRODUCTION = {"ENVIRONMENT": "production", "PUBLIC_URL": "https://accounts.example.com"}
PUBLIC = {"Host": "accounts.example.com"}
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}


async def test_the_document_page_loads_our_own_files_only(client: httpx2.AsyncClient) -> None:
    """S83, V3.6.1: no content delivery network learns who reads it, or changes what they run."""
    response = await client.get("/docs")
    page = Page(response.text)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert len(page.addresses) >= 4
    assert [address for address in page.addresses if not re.match(r"/(?!/)[\w./-]+$", address)] == []
    assert "//" not in re.sub(r"<!.*?>", "", response.text)
    assert page.inline == []


async def test_every_file_of_a_page_is_there_with_its_media_type(client: httpx2.AsyncClient) -> None:
    """S83: with nosniff, a wrong media type would leave the page empty."""
    loaded = {
        address
        for path in ("/docs", "/setup", "/mail/reset")
        for address in Page((await client.get(path)).text).addresses
    }
    own = sorted(address for address in loaded if address.startswith("/assets/"))
    assert len(own) == 7
    for address in own:
        response = await client.get(address)
        assert response.status_code == 200
        assert response.content
        media_type = MEDIA_TYPES["." + address.rpartition(".")[2]]
        assert response.headers["content-type"].partition(";")[0] == media_type
        assert response.headers["cache-control"] == "public, max-age=3600"


def test_no_file_of_ours_loads_anything_from_elsewhere() -> None:
    """S83, V3.6.1: neither our scripts nor our styles name another host."""
    for name in ("docs.js", "setup.js", "mailed.js", "page.css"):
        text = files("app.pages").joinpath("assets", name).read_text(encoding="utf-8")
        assert re.findall(r"(?:https?:)?//[\w-]+\.\w+|@import|url\(", text) == []


def test_the_styles_of_swagger_ui_load_nothing_from_elsewhere() -> None:
    """S83: what they hold of pictures stands in them."""
    text = files("app.pages").joinpath("assets", "swagger-ui", "swagger-ui.css").read_text(encoding="utf-8")
    assert [url for url in re.findall(r"url\(([^)]*)\)", text) if not url.strip("\"'").startswith("data:")] == []
    assert "@import" not in text


async def test_the_document_page_asks_for_the_document(client: httpx2.AsyncClient) -> None:
    response = await client.get("/openapi.json")
    assert '<meta name="openapi" content="/openapi.json">' in (await client.get("/docs")).text
    assert response.headers["content-type"] == "application/json"
    assert response.json()["info"]["title"] == "Ostiary"


@pytest.mark.settings(APP_NAME="<script>alert('canary')</script>")
async def test_the_name_of_the_installation_is_text(client: httpx2.AsyncClient) -> None:
    """3.8-08: even what the operator types is escaped."""
    for path in ("/docs", "/setup"):
        page = Page((await client.get(path)).text)
        assert page.inline == []
        assert "alert('canary')" in page.text


@pytest.mark.settings(**PRODUCTION)
@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"])
async def test_production_serves_no_document_unless_asked_to(client: httpx2.AsyncClient, path: str) -> None:
    """S83, V13.4.5."""
    problem_of(await client.get(path, headers=PUBLIC), 404, "NOT_FOUND")


@pytest.mark.settings(**PRODUCTION, DOCS_ENABLED=True)
async def test_production_serves_the_document_when_asked_to(client: httpx2.AsyncClient) -> None:
    """S83: from the same files, under the same policy."""
    response = await client.get("/docs", headers=PUBLIC)
    assert response.status_code == 200
    assert "script-src 'self';" in response.headers["content-security-policy"]


@pytest.mark.settings(DOCS_ENABLED=False)
async def test_development_can_do_without(client: httpx2.AsyncClient) -> None:
    problem_of(await client.get("/docs"), 404, "NOT_FOUND")


TRAVERSALS = [
    "/assets/",
    "/assets",
    "/assets/.",
    "/assets/..",
    "/assets/../setup.py",
    "/assets/../../config.py",
    "/assets/../../../alembic.ini",
    "/assets/%2e%2e/setup.py",
    "/assets/%2e%2e%2fsetup.py",
    "/assets/..%2fsetup.py",
    "/assets/..%252fsetup.py",
    "/assets/..%5csetup.py",
    "/assets/....//setup.py",
    "/assets/..;/setup.py",
    "/assets//etc/passwd",
    "/assets/%2fetc%2fpasswd",
    "/assets/C:%5cWindows%5cwin.ini",
    "/assets/file:%2f%2f%2fetc%2fpasswd",
    "/assets/swagger-ui",
    "/assets/swagger-ui/",
    "/assets/swagger-ui/../page.css",
    "/assets/swagger-ui/../../setup.py",
    "/assets/swagger-ui/LICENSE",
    "/assets/README.md",
    "/assets/page.css/",
    "/assets/page.css%00",
    "/assets/page.css%00.png",
    "/assets/%00",
    "/assets/PAGE.CSS",
    "/assets/page.css%20",
    "/assets/page.css.",
    "/assets/page.css::$DATA",
    "/assets/./page.css",
    "/assets//page.css",
    "/assets/" + "../" * 40 + "etc/passwd",
    "/assets/" + "a" * 20_000,
]


@pytest.mark.parametrize("target", TRAVERSALS, ids=lambda target: target[:40])
async def test_no_path_leads_out_of_the_named_files(app: FastAPI, target: str) -> None:
    """3.2-12, V13.4.3, V13.4.7: a name that is not on the list is no file, whatever it looks like."""
    answer = await ask(app, target)
    assert answer.status == 404
    assert answer.header("Content-Type") == "application/problem+json"


async def test_a_range_is_not_taken(app: FastAPI) -> None:
    """3.2-10: files are small and come whole."""
    headers = [("Host", "127.0.0.1:8000"), ("Range", "bytes=" + ",".join(f"{n}-" for n in range(1000)))]
    answer = await ask(app, "/assets/page.css", headers=headers)
    assert answer.status == 200
    assert answer.header("Content-Range") is None


def test_the_pages_of_the_framework_itself_are_off() -> None:
    """S83: they load scripts from elsewhere."""
    app = create_app(settings_for("sqlite:///nothing.db"))
    assert (app.docs_url, app.redoc_url, app.openapi_url) == (None, None, None)
