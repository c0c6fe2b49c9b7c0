"""What a browser keeps while its user is at a provider: the flow, which door it began at, and who may go on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.auth import base64url
from app.auth.oidc import flow as flows
from app.auth.oidc.flow import Flow, read_flow, write_flow
from app.auth.sealing import SealBroken, seal, unseal
from app.exceptions import FlowInvalid

MAXIMUM_LENGTH = 1960
"""Characters of a sealed errand. A browser keeps three, and sends them all along: servers take some 8000 bytes of headers."""
LONGEST_SCOPES = 400
"""Characters of the further scopes of a link, with a space between any two."""
_PLACE = "the errand of a browser at a provider"


class Door(StrEnum):
    """Where the answer is expected. One that arrives at another door is none."""

    CALLBACK = "callback"
    """The provider sends the browser to this server."""
    PAGE = "page"
    """The provider sends the browser to the front end, whose page hands the code over."""
    ID_TOKEN = "id_token"
    """The provider's own script, or an app, gets an ID token and hands it over."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A flow with what is ours about it."""

    flow: Flow
    door: Door
    code_challenge: str | None = field(default=None, repr=False)
    """The front end's, for the one-time code at the end (as in RFC 7636). None: its browser proves itself by a cookie."""
    link_session_id: UUID | None = None
    """The session that asked for an identity to be added. It must still live when the answer comes."""
    scopes: tuple[str, ...] = ()
    """What was asked for beside the provider's own: an answer that names none has granted these as well."""
    fresh: bool = False
    """Whether the provider was asked to have its user prove anew who they are."""

    @property
    def key(self) -> str:
        """What the answer must name: the state, or the nonce where there is no state."""
        return self.flow.nonce if self.door is Door.ID_TOKEN else self.flow.state


def seal_errand(errand: Errand, keys: Sequence[bytes]) -> str:
    """Return the errand as the value of a cookie. Raises `ValueError` for one that no cookie could hold."""
    session = errand.link_session_id and errand.link_session_id.hex
    values = [
        write_flow(errand.flow),
        errand.door,
        errand.code_challenge,
        session,
        " ".join(errand.scopes),
        errand.fresh,
    ]
    content = json.dumps(values, separators=(",", ":"))
    text = base64url.encode(seal(content.encode(), key=keys[0], place=_PLACE))
    if len(text) > MAXIMUM_LENGTH:
        raise ValueError("the errand is too long for a cookie")
    return text


def open_errand(text: str | None, keys: Sequence[bytes], now: datetime) -> Errand:
    """Return the errand of a cookie. Raises `FlowInvalid` without one, for any that is not ours, and after ten minutes."""
    if text is None or len(text) > MAXIMUM_LENGTH:
        raise FlowInvalid
    try:
        content = unseal(base64url.decode(text), keys=keys, place=_PLACE).content
        written_flow, door, challenge, session, scopes, fresh = json.loads(content)
        link_session_id = None if session is None else UUID(session)
        flow = read_flow(written_flow, now)
        return Errand(flow, Door(door), challenge, link_session_id, tuple(scopes.split()), bool(fresh))
    except (SealBroken, flows.FlowInvalid, ValueError, TypeError, AttributeError) as error:
        raise FlowInvalid from error
