"""What servers ask the provider: discovery, keys, tokens, userinfo, revocation. Faults of delivery go in here."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from app.auth.keys import public_jwk
from app.offline.clients import Client
from app.offline.faults import Fault, Place
from app.offline.id_tokens import claims_of
from app.offline.parameters import Declined, Unreadable, form_of
from app.offline.provider import ACCESS_TOKEN_TTL, OfflineProvider, Tokens

_UNSTORED = {"Cache-Control": "no-store"}
_PUBLIC = {"Cache-Control": "public, max-age=3600"}


class BackChannel:
    """The endpoints that no browser needs."""

    def __init__(self, provider: OfflineProvider) -> None:
        self._provider = provider

    async def discovery(self, request: Request) -> Response:
        """Return the provider's metadata (OpenID Connect Discovery 1.0, section 3)."""
        issuer = self._provider.issuer
        other_algorithm = Fault.OTHER_ALG_ANNOUNCED in self._provider.faults
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "revocation_endpoint": f"{issuer}/revoke",
            "jwks_uri": f"{issuer}/jwks.json",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256" if other_algorithm else "RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "scopes_supported": ["openid", "email", "profile"],
            "claims_supported": _CLAIMS,
        }
        return self._deliver(request, Place.DISCOVERY, JSONResponse(document, headers=_PUBLIC))

    async def jwks(self, request: Request) -> Response:
        """Return the public half of the key that signs (RFC 7517)."""
        document = {"keys": [public_jwk(await self._provider.id_tokens.signing_key())]}
        return self._deliver(request, Place.JWKS, JSONResponse(document, headers=_PUBLIC))

    async def token(self, request: Request) -> Response:
        """Return tokens for a code, or for a refresh token (RFC 6749, section 3.2)."""
        try:
            tokens = await self._tokens(request, datetime.now(UTC))
        except (Declined, Unreadable) as error:
            return self._deliver(request, Place.TOKEN, _refusal(error))
        return self._deliver(request, Place.TOKEN, JSONResponse(_token_answer(tokens), headers=_UNSTORED))

    async def userinfo(self, request: Request) -> Response:
        """Return what an access token allows to know of its person (OpenID Connect Core 1.0, section 5.3)."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        access = (
            self._provider.find_access(token.strip(), now=datetime.now(UTC)) if scheme.lower() == "bearer" else None
        )
        if access is None:
            headers = {**_UNSTORED, "WWW-Authenticate": 'Bearer error="invalid_token"' if token else "Bearer"}
            return JSONResponse({"error": "invalid_token"}, 401, headers=headers)
        claims = claims_of(access.grant.person, access.scopes)
        if Fault.OTHER_SUB_AT_USERINFO in self._provider.faults:
            claims["sub"] = f"2{claims['sub'][1:]}"
        return self._deliver(request, Place.USERINFO, JSONResponse(claims, headers=_UNSTORED))

    async def revoke(self, request: Request) -> Response:
        """End what comes of a token (RFC 7009). Whoever holds the token may, without a secret, as at Google."""
        try:
            form = await form_of(request)
        except Unreadable as error:
            return _refusal(error)
        if "token" not in form:
            return _refusal(Unreadable("token is missing"))
        self._provider.revoke(form["token"], now=datetime.now(UTC))
        return Response(status_code=200, headers=_UNSTORED)

    async def _tokens(self, request: Request, now: datetime) -> Tokens:
        form = await form_of(request)
        client = self._client(request, form)
        match form.get("grant_type"):
            case "authorization_code":
                return await self._provider.redeem(client, form, now=now)
            case "refresh_token":
                return await self._provider.refresh(client, form, now=now)
        raise Declined("unsupported_grant_type", "Only authorization_code and refresh_token are known here")

    def _client(self, request: Request, form: Mapping[str, str]) -> Client:
        """Return the client that proves itself, in one of two ways and not both (RFC 6749, section 2.3.1)."""
        header = request.headers.get("authorization")
        if header is not None and "client_secret" in form:
            raise Declined("invalid_request", "The client proves itself in two ways at once")
        given = (form.get("client_id", ""), form.get("client_secret", "")) if header is None else _basic(header)
        client = self._provider.clients.get(given[0])
        if client is None or not client.is_proved_by(given[1]) or form.get("client_id", given[0]) != given[0]:
            raise Declined("invalid_client", "Unknown client, or wrong secret")
        return client

    def _deliver(self, request: Request, place: Place, response: Response) -> Response:
        return self._provider.faults.deliver(response, place=place, url=request.url)


_CLAIMS = (
    *("iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "at_hash"),
    *("email", "email_verified", "name", "given_name", "family_name", "hd"),
)


def _basic(header: str) -> tuple[str, str]:
    """Return id and secret of a Basic header; nothing of one that cannot be read. Both are form-encoded within."""
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8") if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        return "", ""
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _token_answer(tokens: Tokens) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "access_token": tokens.access_token,
        "expires_in": int(ACCESS_TOKEN_TTL.total_seconds()) - 1,
        "scope": " ".join(tokens.scopes),
        "token_type": "Bearer",
        "id_token": tokens.id_token,
    }
    if tokens.refresh_token is not None:
        answer["refresh_token"] = tokens.refresh_token
    return answer


def _refusal(error: Declined | Unreadable) -> JSONResponse:
    code = error.code if isinstance(error, Declined) else "invalid_request"
    unknown = code == "invalid_client"
    headers = {**_UNSTORED, **({"WWW-Authenticate": 'Basic realm="offline provider"'} if unknown else {})}
    return JSONResponse({"error": code, "error_description": str(error)}, 401 if unknown else 400, headers=headers)
