"""What other services look for at agreed places (RFC 8615)."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from app.auth.dependencies import Public, get_runtime
from app.schemas.keys import JsonWebKeySet

router = APIRouter(prefix="/.well-known", tags=["keys"], dependencies=[Public])

_HEADERS = {
    # Shorter than any lead of ours in production, so that a verifier has a new key before the first token comes.
    "Cache-Control": "public, max-age=300",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@router.get("/jwks.json", response_model_exclude_none=True)
async def read_keys(request: Request, response: Response) -> JsonWebKeySet:
    """Return the public keys that our access tokens can be checked with (RFC 7517, section 5).

    There is none when ALGORITHM is HS256: then only this service can check its tokens. A checked signature does not
    say that the session still lives; ask `/auth/me` where that matters.
    """
    response.headers.update(_HEADERS)
    keys = await get_runtime(request).keys.published(datetime.now(UTC))
    return JsonWebKeySet.model_validate({"keys": keys})
