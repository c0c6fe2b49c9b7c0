"""The provider's pages: templates of its own, every value escaped, no script at all, a style sheet of its own."""

from functools import cache
from importlib.resources import files
from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

STYLE_SHEET = "/page.css"
# Browsers hold form-action against every redirect that follows a form, also against those of the application at the
# other end, which nobody here can know. So no form is answered by a redirect away from here: `leave.html` is.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_templates = Environment(loader=PackageLoader("app.offline"), autoescape=True, undefined=StrictUndefined)


class Pages:
    """Shows the pages of one provider."""

    def __init__(self, *, issuer: str, name: str) -> None:
        self._shared = {"base": urlsplit(issuer).path.rstrip("/"), "provider": name, "style_sheet": STYLE_SHEET}

    def show(self, template: str, *, status_code: int = 200, **values: object) -> HTMLResponse:
        """Return a page."""
        text = _templates.get_template(template).render(**self._shared, **values)
        headers = {
            "Content-Security-Policy": _POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return HTMLResponse(text, status_code, headers=headers)


@cache
def style_sheet() -> bytes:
    """Return the style sheet of all pages."""
    return files("app.offline").joinpath("assets", "page.css").read_bytes()
