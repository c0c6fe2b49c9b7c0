"""One sign-in on its way through a provider: what it must remember, in a sealed cookie of the browser that began it.

The server keeps no row, so nobody can fill a table by beginning; and a flow in another browser is nobody's flow.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.auth import base64url
from app.auth.transports import Transport

FLOW_LIFETIME = timedelta(minutes=10)
CLOCK_SKEW = timedelta(seconds=60)
"""How far ahead the clock of the server may be that began a flow."""

_RANDOM_BYTES = 32


class FlowInvalid(Exception):
    """The text is no flow that this server began, or not any more. The argument says why, for logs."""


class FlowExpired(FlowInvalid):
    """This server began the flow, too long ago."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What a sign-in remembers while its user is at the provider."""

    provider: str
    """The provider's name. The answer of another one is none (mix-up, RFC 9700, section 4.4)."""
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    """Of PKCE (RFC 7636). The provider knows only its SHA-256."""
    return_to: str
    """Where the user goes afterwards, checked by `safe_return_to` before it came here."""
    begun_at: datetime
    link_user_id: UUID | None
    """Who asked for the provider's identity to be added to their account. None: somebody signs in."""
    transport: Transport

    @property
    def code_challenge(self) -> str:
        """The verifier's SHA-256, as the provider gets it (RFC 7636, section 4.2)."""
        return base64url.encode(hashlib.sha256(self.verifier.encode()).digest())

    @property
    def digest(self) -> bytes:
        """What names the flow where it is noted as spent: 32 bytes that tell nothing of its secrets."""
        return hashlib.sha256(b"flow" + self.state.encode()).digest()

    @property
    def expires_at(self) -> datetime:
        """When it ends."""
        return self.begun_at + FLOW_LIFETIME


def new_flow(
    provider: str, *, return_to: str, transport: Transport, now: datetime, link_user_id: UUID | None = None
) -> Flow:
    """Return a flow with state, nonce and verifier of 256 random bits each. `return_to` must be checked already."""
    state, nonce, verifier = (secrets.token_urlsafe(_RANDOM_BYTES) for _ in range(3))
    return Flow(
        provider=provider,
        state=state,
        nonce=nonce,
        verifier=verifier,
        return_to=return_to,
        begun_at=datetime.fromtimestamp(int(now.timestamp()), UTC),
        link_user_id=link_user_id,
        transport=transport,
    )


def write_flow(flow: Flow) -> list[str | int | None]:
    """Return the flow as what JSON can hold, its members in the order of the class. It is secret: seal it."""
    link = flow.link_user_id.hex if flow.link_user_id else None
    begun = int(flow.begun_at.timestamp())
    return [flow.provider, flow.state, flow.nonce, flow.verifier, flow.return_to, begun, link, flow.transport.value]


def read_flow(written: object, now: datetime) -> Flow:
    """Return what `write_flow` wrote, out of an unbroken seal: this server wrote it, perhaps in an older release.

    Raises `FlowExpired` 10 minutes after it began, and `FlowInvalid` for what is no flow.
    """
    flow = _read(written)
    if flow.begun_at > now + CLOCK_SKEW:
        raise FlowInvalid("begun in the future")
    if flow.expires_at <= now:
        raise FlowExpired("begun too long ago")
    return flow


def _read(written: object) -> Flow:
    if not isinstance(written, list):
        raise FlowInvalid("written by another release")
    try:
        provider, state, nonce, verifier, return_to, begun, link, transport = written
        begun_at, link_user_id = datetime.fromtimestamp(begun, UTC), None if link is None else UUID(str(link))
        way = Transport(transport)
    except (ValueError, TypeError, OverflowError) as error:
        raise FlowInvalid("written by another release") from error
    return Flow(provider, state, nonce, verifier, return_to, begun_at, link_user_id, way)


def same_text(given: str, expected: str) -> bool:
    """Whether two texts are equal, in a time that tells nothing of the second one. The empty text equals none."""
    return bool(expected) and hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode())
