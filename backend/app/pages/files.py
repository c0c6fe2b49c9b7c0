"""The few files that pages load. Only those named here exist; no path of a request reaches the file system."""

from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from app.auth.dependencies import Public
from app.exceptions import NotFoundError

_MEDIA_TYPES = {
    "page.css": "text/css",
    "setup.js": "text/javascript",
    "mailed.js": "text/javascript",
    "docs.js": "text/javascript",
    "dev_factors/page.js": "text/javascript",
    "dev_factors/parts.js": "text/javascript",
    "dev_factors/account.js": "text/javascript",
    "dev_factors/api.js": "text/javascript",
    "dev_factors/passkeys.js": "text/javascript",
    "swagger-ui/swagger-ui-bundle.js": "text/javascript",
    "swagger-ui/swagger-ui.css": "text/css",
    "swagger-ui/favicon-32x32.png": "image/png",
}

router = APIRouter(include_in_schema=False, dependencies=[Public])


@router.get("/assets/{name:path}")
async def asset(name: str) -> Response:
    """Return one of the files, to be kept for an hour."""
    if name not in _MEDIA_TYPES:
        raise NotFoundError("File")
    return Response(_content(name), media_type=_MEDIA_TYPES[name], headers={"Cache-Control": "public, max-age=3600"})


@cache
def _content(name: str) -> bytes:
    return files("app.pages").joinpath("assets", *name.split("/")).read_bytes()
