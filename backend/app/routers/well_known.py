"""What other services look for at agreed places (RFC 8615)."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from app.auth.dependencies import Public, get_runtime
from app.schemas.keys import JsonWebKeySet
from app.services.signing_keys import SHORTEST_LEAD

router = APIRouter(prefix="/.well-known", tags=["keys"], dependencies=[Public])

_LONGEST_SECONDS = 300
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@router.get("/jwks.json", response_model_exclude_none=True)
async def read_keys(request: Request, response: Response) -> JsonWebKeySet:
    """Return the public keys that our access tokens can be checked with (RFC 7517, section 5).

    With ALGORITHM HS256 only this service can check its tokens, and no key is added here. A checked signature does not
    say that the session still lives; ask `/auth/me` where that matters.
    """
    runtime = get_runtime(request)
    keys = await runtime.keys.published(datetime.now(UTC))
    # Half of what a key is published ahead, so that a verifier has it before the first token comes.
    lead = max(runtime.settings.signing_key_lead, SHORTEST_LEAD).total_seconds()
    max_age = min(_LONGEST_SECONDS, int(lead) // 2)
    response.headers.update({**_HEADERS, "Cache-Control": f"public, max-age={max_age}"})
    return JsonWebKeySet.model_validate({"keys": keys})
