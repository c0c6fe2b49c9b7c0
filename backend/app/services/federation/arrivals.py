"""Somebody comes back from a provider: whom does the answer prove, and what follows from it here, exactly once."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select, update

from app.auth.assurance import FEDERATED
from app.auth.emails import parse_email
from app.auth.linking import LinkDecision, LinkRule, LinkSituation, decide
from app.auth.oidc import id_token
from app.auth.oidc.provider import Provider
from app.database import Work
from app.exceptions import ConflictError, FlowInvalid, InvalidCredentials
from app.mail.messages import NoticeEvent
from app.models import AuditKind, Identity, SpentFlow, User
from app.services import audit
from app.services.federation.errands import Errand
from app.services.federation.flows import Proof
from app.services.federation.owners import (
    add_identity,
    begin_account,
    hand_over_account,
    insert_or_nothing,
    note_proof,
)
from app.services.federation.refusals import Because, check_decision
from app.services.federation.situations import Found, account_with_address, identity_of, sign_up_for, situation_of
from app.services.mailed.invitations import spend_invitation
from app.services.mailed.notices import notify
from app.services.sessions.state import living_session
from app.services.sign_in.attempt import Attempt
from app.services.sign_in.stages import Admission, SignInRules, ask_gates
from app.services.sign_up import sign_up_is_open

_ATTEMPTS = 3
"""How often a decision is made anew because somebody else changed what it was made of. One is enough in practice."""


@dataclass(frozen=True)
class Arrived:
    """Who has come, and by which line of the table."""

    user_id: UUID
    identity_id: UUID
    decision: LinkDecision
    admission: Admission | None
    """What the gates said to whoever signs in. None: somebody adds an identity, who has signed in already."""


@dataclass(frozen=True)
class _Plan:
    """What is to be done for somebody, and what it was decided from."""

    proof: Proof
    found: Found
    situation: LinkSituation
    decision: LinkDecision

    @property
    def account(self) -> UUID | None:
        """The account that somebody comes in to, where there is one already."""
        if self.found.identity is not None:
            return self.found.identity.user_id
        if self.decision.rule is LinkRule.UNPROVED_GIVES_WAY and self.found.local is not None:
            return self.found.local.id
        return None


async def arrive(work: Work, rules: SignInRules, *, errand: Errand, provider: Provider, proof: Proof) -> Arrived:
    """Spend the flow, decide by the table of `auth/linking.py`, carry it out, and return whose account it is.

    Who signs in passes every gate first: nothing of an account or an identity changes for somebody who is kept out.
    Raises `FlowInvalid` for a flow that was spent before, or whose asker has signed out meanwhile; what
    `check_decision` raises; `InvalidCredentials` for a disabled account; and what a gate raises. After a `Refusal` the
    flow stays spent, and nothing else is written but what a gate wrote.
    """
    await _spend(work, errand)
    await _check_asker(work, errand)
    for _ in range(_ATTEMPTS):
        plan = await _plan(work, errand, provider, proof)
        admission = await _admit(work, rules, errand, plan)
        try:
            # What an attempt has written goes with it when another request was faster, or a gate is closed.
            async with work.db.begin_nested():
                arrived = await _carry_out(work, rules, errand, plan, admission)
        except _Overtaken:
            continue
        await _record(work, errand, arrived)
        return arrived
    raise ConflictError


class _Overtaken(Exception):
    """Another request has changed what the decision was made of."""


async def _plan(work: Work, errand: Errand, provider: Provider, proof: Proof) -> _Plan:
    """Look up what counts, and decide. Raises what `check_decision` raises."""
    found = await _look_up(work, proof.comer, lock=errand.flow.link_user_id is None)
    situation = situation_of(proof.comer, found, provider=provider, asked_by=errand.flow.link_user_id)
    decision = decide(situation)
    check_decision(decision)
    return _Plan(proof, found, situation, decision)


async def _admit(work: Work, rules: SignInRules, errand: Errand, plan: _Plan) -> Admission | None:
    """Lock the account that somebody comes in to, and let them pass the gates, before anything of it changes.

    The account is locked before its identities, as by whoever removes one of them: no two wait for each other. Raises
    `InvalidCredentials` for a disabled account, before a gate is asked, and what a gate raises.
    """
    if plan.account is None:
        return None
    active = select(User.id).where(User.id == plan.account, User.is_active).with_for_update()
    if (await work.db.execute(active)).first() is None:
        raise InvalidCredentials
    return await _ask_gates(work, rules, errand, plan, plan.account)


async def _ask_gates(work: Work, rules: SignInRules, errand: Errand, plan: _Plan, user_id: UUID) -> Admission | None:
    """Ask whoever signs in. Whoever adds an identity has signed in already."""
    if errand.flow.link_user_id is not None:
        return None
    attempt = Attempt(
        user_id=user_id,
        methods=(FEDERATED,),
        authenticated_at=plan.proof.authenticated_at,
        proves_address=plan.decision.rule is LinkRule.UNPROVED_GIVES_WAY,
    )
    return await ask_gates(work, rules, attempt)


async def _spend(work: Work, errand: Errand) -> None:
    """Note that the flow has been answered. Of any number at once one succeeds; the others raise `FlowInvalid`."""
    row = {"digest": errand.flow.digest, "expires_at": errand.flow.expires_at}
    statement = insert_or_nothing(work, SpentFlow, row, "digest").returning(SpentFlow.digest)
    if (await work.db.execute(statement)).first() is None:
        raise FlowInvalid from Because("spent")


async def _check_asker(work: Work, errand: Errand) -> None:
    """Raise `FlowInvalid` when whoever asked for a link has signed out since: somebody else may sit there now."""
    if errand.flow.link_user_id is None:
        return
    asker = select(User.id).where(User.id == errand.flow.link_user_id)
    await work.db.execute(asker.with_for_update())
    # In a statement of its own: one that has waited for a lock judges other tables by what was true before it waited.
    session_id = errand.link_session_id
    if session_id is None or not (await work.db.execute(asker.where(living_session(session_id, work.now)))).first():
        raise FlowInvalid from Because("asker_gone")


async def _look_up(work: Work, comer: id_token.Identity, *, lock: bool) -> Found:
    """Return what is there. The account with the address counts only for somebody new.

    Who signs in may be given it: it is locked, so that what was read of it stands until the commit. Who adds an
    identity has locked their own account already, and locks nobody else's beside it.
    """
    identity = (await work.db.execute(identity_of(comer))).scalar_one_or_none()
    if identity is not None or comer.email is None:
        return Found(identity=identity, local=None)
    statement = account_with_address(comer.email).execution_options(populate_existing=True)
    local = (await work.db.execute(statement.with_for_update() if lock else statement)).scalar_one_or_none()
    if local is not None:
        # Another first sign-in may have made account and identity between the two statements.
        identity = (await work.db.execute(identity_of(comer))).scalar_one_or_none()
    if identity is not None:
        return Found(identity=identity, local=None)
    sign_up = await sign_up_for(work.settings, comer.email, first=partial(_first, work), now=work.now)
    return Found(identity=None, local=local, sign_up=sign_up)


async def _first(work: Work, statement: Select[Any]) -> Row[Any] | None:
    found: Row[Any] | None = (await work.db.execute(statement)).first()
    return found


async def _carry_out(
    work: Work, rules: SignInRules, errand: Errand, plan: _Plan, admission: Admission | None
) -> Arrived:
    """Return the identity, used or added just now. Raises `_Overtaken`, and for somebody new what a gate raises."""
    if plan.found.identity is not None:
        identity = await _use(work, plan.proof.comer, plan.found.identity)
    else:
        user_id = errand.flow.link_user_id or await _account_for(work, plan)
        identity = await add_identity(work, comer=plan.proof.comer, user_id=user_id) if user_id else None
    if identity is None:
        raise _Overtaken
    if plan.decision.rule is LinkRule.NEW_ACCOUNT:  # What a closed gate wrote of this account goes with the account.
        admission = await _ask_gates(work, rules, errand, plan, identity.user_id)
    if plan.decision.rule is LinkRule.OWNER_LINKS and plan.situation.authority:
        await note_proof(work, identity=identity, session_id=errand.link_session_id)
    return Arrived(identity.user_id, identity.id, plan.decision, admission)


async def _account_for(work: Work, plan: _Plan) -> UUID | None:
    """Return an account for somebody new. None: its address, or the invitation to it, has just been taken."""
    email_normal, role = parse_email(plan.proof.comer.email or "").normal, None
    if plan.situation.authority:
        role = await spend_invitation(work, email_normal=email_normal)
    if role is None and not sign_up_is_open(work.settings, email_normal):
        return None
    if plan.decision.rule is LinkRule.UNPROVED_GIVES_WAY and plan.found.local is not None:
        return await hand_over_account(work, user=plan.found.local, comer=plan.proof.comer, role=role)
    return await begin_account(work, comer=plan.proof.comer, proved=plan.situation.authority, role=role)


async def _use(work: Work, comer: id_token.Identity, identity: Identity) -> Identity | None:
    """Note what the provider says now. None: the identity has just gone."""
    statement = (
        update(Identity)
        .where(Identity.id == identity.id)
        .values(email=comer.email, email_verified=comer.email_verified, last_used_at=work.now)
        .returning(Identity)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return (await work.db.execute(statement)).scalar_one_or_none()


async def _record(work: Work, errand: Errand, arrived: Arrived) -> None:
    kind = AuditKind.FEDERATION_LINKED if errand.flow.link_user_id else AuditKind.FEDERATION_SIGNED_IN
    about = audit.About(actor_id=arrived.user_id, target_id=arrived.user_id, session_id=errand.link_session_id)
    detail = {
        "provider": errand.flow.provider,
        "rule": arrived.decision.rule.value,
        "identity_id": str(arrived.identity_id),
    }
    await audit.record(work, kind, **about, detail=detail)
    if kind is AuditKind.FEDERATION_LINKED:
        event, what = NoticeEvent.IDENTITY_LINKED, errand.flow.provider
        await notify(work, user_id=arrived.user_id, event=event, what=what)
