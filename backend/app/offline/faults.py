"""Everything that a provider can get wrong, to be switched on and off by a test while the provider runs.

A fault is an object in the test's hands. No route switches one on.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from enum import StrEnum

import anyio
from fastapi.responses import RedirectResponse, Response, StreamingResponse
from starlette.datastructures import URL


class Fault(StrEnum):
    """One thing that the provider gets wrong."""

    # What the ID token says.
    WRONG_AUD = "wrong_aud"
    WRONG_ISS = "wrong_iss"
    WRONG_AZP = "wrong_azp"
    FURTHER_AUD = "further_aud"
    WRONG_NONCE = "wrong_nonce"
    MISSING_NONCE = "missing_nonce"
    WRONG_AT_HASH = "wrong_at_hash"
    EXPIRED = "expired"
    ISSUED_IN_FUTURE = "issued_in_future"
    UNVERIFIED = "unverified"
    CHANGED_ADDRESS = "changed_address"
    CHANGED_SUB = "changed_sub"
    EMPTY_SUB = "empty_sub"
    # How the ID token is signed.
    WRONG_ALG = "wrong_alg"
    NONE_ALG = "none_alg"
    HS256_WITH_PUBLIC_KEY = "hs256_with_public_key"
    WRONG_KID = "wrong_kid"
    KEY_ROLL = "key_roll"
    OTHER_ALG_ANNOUNCED = "other_alg_announced"
    # What the browser brings back.
    WRONG_ISS_PARAMETER = "wrong_iss_parameter"
    MISSING_ISS_PARAMETER = "missing_iss_parameter"
    # What the token endpoint takes.
    SPENT_CODE_TAKEN = "spent_code_taken"
    # What the userinfo endpoint says.
    OTHER_SUB_AT_USERINFO = "other_sub_at_userinfo"
    # How a document is delivered, at each place where the fault is switched on.
    ERROR_WITH_200 = "error_with_200"
    TRUNCATED_JSON = "truncated_json"
    REDIRECT = "redirect"
    SLOW = "slow"
    SERVER_ERROR = "server_error"
    HUGE = "huge"


class Place(StrEnum):
    """Where a server asks the provider for a document."""

    DISCOVERY = "discovery"
    JWKS = "jwks"
    TOKEN = "token"
    USERINFO = "userinfo"


HUGE_BYTES = 1 << 20
SLOW_PAUSE_SECONDS = 0.25
SLOW_PAUSES = 240
"""One blank each pause for a minute, and the document at last: a limit for each read never strikes, one for all does."""
_REDIRECTED = "redirected"


class Faults:
    """The faults that are switched on at present. May be changed from another thread than the provider's."""

    def __init__(self) -> None:
        self._places: dict[Fault, frozenset[Place]] = {}

    def __contains__(self, fault: Fault) -> bool:
        return fault in self._places

    def switch_on(self, *faults: Fault, at: Collection[Place] = (Place.TOKEN,)) -> None:
        """Get these wrong from now on. `at` counts for faults of delivery only."""
        self._places = {**self._places, **dict.fromkeys(faults, frozenset(at))}

    def switch_off(self, *faults: Fault) -> None:
        """Get these right again; all, when none is named."""
        self._places = {fault: at for fault, at in self._places.items() if faults and fault not in faults}

    @contextmanager
    def having(self, *faults: Fault, at: Collection[Place] = (Place.TOKEN,)) -> Iterator[None]:
        """Get these wrong for the length of a block."""
        self.switch_on(*faults, at=at)
        try:
            yield
        finally:
            self.switch_off(*faults)

    def deliver(self, response: Response, *, place: Place, url: URL) -> Response:
        """Return the answer that goes out in place of this good one, whose body is JSON."""
        present = {fault for fault, places in self._places.items() if place in places}
        if Fault.SERVER_ERROR in present:
            return Response("Internal Server Error", 500, media_type="text/plain")
        if Fault.REDIRECT in present and _REDIRECTED not in url.query:
            # A client that follows it gets the good answer, and so betrays itself.
            return RedirectResponse(url.include_query_params(**{_REDIRECTED: "yes"}), 307)
        body = bytes(response.body)
        if Fault.ERROR_WITH_200 in present:
            body = json.dumps({"error": "invalid_grant", "error_description": "This is an error all the same"}).encode()
        if Fault.TRUNCATED_JSON in present:
            body = body[: len(body) // 2]
        if Fault.HUGE in present:
            body = b" " * HUGE_BYTES + body
        if Fault.SLOW in present:
            return StreamingResponse(_drip(body), response.status_code, media_type="application/json")
        if body == response.body:
            return response
        return Response(body, response.status_code, media_type="application/json")


async def _drip(body: bytes) -> AsyncIterator[bytes]:
    for _ in range(SLOW_PAUSES):
        yield b" "
        await anyio.sleep(SLOW_PAUSE_SECONDS)
    yield body
