"""The three ways in which a provider's answer comes here, and what each gives."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.auth.redirects import with_fragment, with_parameter
from app.auth.transports import Transport
from app.database import Work
from app.exceptions import FlowInvalid
from app.models import AuditKind
from app.services import audit
from app.services.federation.arrivals import Arrived, arrive
from app.services.federation.errands import Errand
from app.services.federation.flows import Proof, read_answer, read_credential
from app.services.federation.kept_tokens import keep_tokens
from app.services.federation.one_time_codes import issue_code
from app.services.federation.refusals import refusals_told
from app.services.federation.relying_party import RelyingParty
from app.services.sessions.issue import Issued, IssuedCookie
from app.services.sign_in.stages import SignInContext, complete

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Landing:
    """Where the browser goes from the callback, and what it takes along: a cookie session, a proof for the code, nothing."""

    url: str
    session: Issued | IssuedCookie | None = None
    browser_proof: str | None = None


async def land(work: Work, party: RelyingParty, context: SignInContext, *, errand: Errand, answer: Pairs) -> Landing:
    """Take the answer that a browser brings to the callback, and return where it goes on.

    Raises what `read_answer` and `arrive` raise. Who takes a code along is asked by the gates once more when the
    session begins.
    """
    proof = await read_answer(work, party, errand=errand, answer=answer)
    arrived = await _arrive(work, party, context, errand, proof)
    if errand.flow.link_user_id is not None:
        return Landing(with_parameter(errand.flow.return_to, "linked", errand.flow.provider))
    if context.transport is Transport.COOKIE:
        return Landing(errand.flow.return_to, session=await _complete(work, context, arrived))
    issued = await issue_code(
        work, arrived=arrived, code_challenge=errand.code_challenge, authenticated_at=proof.authenticated_at
    )
    return Landing(with_fragment(errand.flow.return_to, "code", issued.code), browser_proof=issued.browser_proof)


async def sign_in_with_answer(
    work: Work, party: RelyingParty, context: SignInContext, *, errand: Errand, answer: Pairs
) -> Issued | IssuedCookie:
    """Begin a session for whom an answer proves that a page of the front end hands over. Raises as `land` does."""
    proof = await read_answer(work, party, errand=errand, answer=answer)
    return await _complete(work, context, await _arrive(work, party, context, errand, proof))


async def sign_in_with_credential(
    work: Work, party: RelyingParty, context: SignInContext, *, errand: Errand, credential: str
) -> Issued | IssuedCookie:
    """Begin a session for whom an ID token proves. Raises what `read_credential` and `arrive` raise, and what a gate does."""
    proof = await read_credential(work, party, errand=errand, credential=credential)
    return await _complete(work, context, await _arrive(work, party, context, errand, proof))


async def _arrive(work: Work, party: RelyingParty, context: SignInContext, errand: Errand, proof: Proof) -> Arrived:
    """Let somebody arrive, and keep the tokens that came along if the settings ask for it."""
    provider = party.provider(errand.flow.provider)
    with refusals_told(work, provider.name, errand=errand):
        arrived = await arrive(work, context.rules, errand=errand, provider=provider, proof=proof)
    if proof.tokens is not None:
        asked = (*provider.scopes, *errand.scopes)
        await keep_tokens(work, party.token_seals, identity_id=arrived.identity_id, answer=proof.tokens, asked=asked)
        about = audit.About(actor_id=arrived.user_id, target_id=arrived.user_id)
        scopes = " ".join(asked if proof.tokens.scopes is None else proof.tokens.scopes)
        detail = {"provider": provider.name, "identity_id": str(arrived.identity_id), "scopes": scopes}
        await audit.record(work, AuditKind.PROVIDER_TOKENS_KEPT, **about, detail=detail)
    return arrived


async def _complete(work: Work, context: SignInContext, arrived: Arrived) -> Issued | IssuedCookie:
    """Begin the session of somebody who has come to sign in. Raises `FlowInvalid` for who has come to add an identity."""
    if arrived.admission is None:
        raise FlowInvalid
    return await complete(work, context, arrived.admission)
