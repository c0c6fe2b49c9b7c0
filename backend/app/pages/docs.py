"""Swagger UI and the OpenAPI document, from our own files: no content delivery network sees who reads them."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from app.auth.dependencies import Public
from app.pages.rendering import PageRoute, page

# Swagger UI sets styles from its script; scripts themselves come from our files only.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)

router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Public])


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Show the API document."""
    return page(request, "docs.html", policy=_POLICY, title=request.app.title)


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    return JSONResponse(document)
