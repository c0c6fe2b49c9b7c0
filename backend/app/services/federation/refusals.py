"""Says no in the words of the catalogue, and writes down why: with the rule, never with a token."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.auth.linking import LinkAction, LinkDecision, LinkRule
from app.auth.oidc import authorization
from app.auth.oidc.authorization import AnswerRejected
from app.auth.oidc.id_token import IdTokenRejected
from app.database import Work
from app.exceptions import (
    AppException,
    FlowInvalid,
    IdentityRefused,
    IdentityTaken,
    IdTokenInvalid,
    LinkRequired,
    ProviderRefused,
    SecondFactorRequired,
)
from app.models import AuditKind
from app.services import audit
from app.services.federation.errands import Errand


@contextmanager
def refusals_told(work: Work, provider: str | None = None, *, errand: Errand | None = None) -> Iterator[None]:
    """Record every refusal of a block once, with what lies behind it. What the mechanism raises becomes ours.

    Without a provider where it is not known any more: a one-time code does not say where its sign-in began.
    """
    try:
        with _in_our_words():
            yield
    except SecondFactorRequired:
        raise  # Nobody is refused: the gate has noted it.
    except AppException as error:
        said = error.members.get("reason") or getattr(error, "reason", None)
        cause = str(error.__cause__) if error.__cause__ else None
        detail = {"provider": provider, "error_code": error.code, "rule": said or cause}
        asker = errand.flow.link_user_id if errand else None
        session_id = errand.link_session_id if errand else None
        about = audit.About(actor_id=asker, target_id=asker, session_id=session_id)
        outcome = audit.outcome_of(error)
        audit.refuse(work, AuditKind.FEDERATION_REFUSED, **about, cause=error.code, outcome=outcome, detail=detail)
        raise


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except AnswerRejected as error:
        raise FlowInvalid from error
    except authorization.ProviderRefused as error:
        raise ProviderRefused(error.error) from error
    except IdTokenRejected as error:
        raise IdTokenInvalid from error


def check_decision(decision: LinkDecision) -> None:
    """Raise for a decision that lets nobody in: `LinkRequired`, `IdentityTaken` or `IdentityRefused`, by its rule."""
    if decision.action is LinkAction.ASK:
        raise LinkRequired from Because(decision.rule)
    if decision.rule is LinkRule.IDENTITY_OF_ANOTHER:
        raise IdentityTaken from Because(decision.rule)
    if decision.action is LinkAction.REFUSE:
        raise IdentityRefused(decision.rule.value)


class Because(Exception):
    """Carries the rule into the log."""
