"""ID tokens without leaving the page, as Google's One Tap gives them: for whoever is signed in at the provider."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from app.offline.front_channel import FrontChannel
from app.offline.id_tokens import Statement
from app.offline.parameters import Unreadable, form_of
from app.offline.provider import Browser, OfflineProvider, SignedIn

_SCOPES = ("openid", "email", "profile")


class OneTap:
    """One endpoint: a form with `client_id`, `nonce` and perhaps `login_hint`; the answer holds the `credential`."""

    def __init__(self, provider: OfflineProvider, front_channel: FrontChannel) -> None:
        self._provider = provider
        self._front_channel = front_channel

    async def id_token(self, request: Request) -> Response:
        """Return an ID token about the person of this browser, or of those the one who signed in last or is hinted at."""
        now = datetime.now(UTC)
        try:
            form = await form_of(request)
        except Unreadable as error:
            return _refusal(400, "invalid_request", str(error))
        client = self._provider.clients.get(form.get("client_id", ""))
        if client is None:
            return _refusal(400, "invalid_client", "No application is registered under this client_id")
        origin = request.headers.get("origin")
        if origin is not None and origin not in {*client.origins, _origin(self._provider.issuer)}:
            return _refusal(403, "origin_mismatch", "The given origin is not allowed for the given client ID")
        browser = self._front_channel.find_browser(request, now=now) or Browser()
        signed_in = _pick(browser, form.get("login_hint"))
        if signed_in is None:
            return _refusal(403, "login_required", "Nobody who fits is signed in at the provider with this browser")
        statement = Statement(
            person=signed_in.person, client_id=client.client_id, scopes=_SCOPES, nonce=form.get("nonce")
        )
        credential = await self._provider.id_tokens.sign(statement, now=now)
        answer = {"credential": credential, "clientId": client.client_id, "select_by": "user"}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})


def _pick(browser: Browser, hint: str | None) -> SignedIn | None:
    fitting = [each for each in browser.people.values() if hint is None or each.person.is_called(hint)]
    return max(fitting, key=lambda each: each.at, default=None)


def _origin(issuer: str) -> str:
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}"


def _refusal(status_code: int, code: str, description: str) -> JSONResponse:
    return JSONResponse({"error": code, "error_description": description}, status_code)
