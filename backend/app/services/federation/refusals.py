"""Says no in the words of the catalogue, and writes down why: with the rule, never with a token."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from app.auth.linking import LinkAction, LinkDecision, LinkRule
from app.auth.oidc import authorization
from app.auth.oidc.authorization import AnswerRejected
from app.auth.oidc.id_token import IdTokenRejected
from app.exceptions import (
    AppException,
    FlowInvalid,
    IdentityRefused,
    IdentityTaken,
    IdTokenInvalid,
    LinkRequired,
    ProviderRefused,
)

log = structlog.get_logger()


@contextmanager
def refusals_told(provider: str | None = None) -> Iterator[None]:
    """Log every refusal of a block once, with what lies behind it. What the mechanism raises becomes ours.

    Without a provider where it is not known any more: a one-time code does not say where its sign-in began.
    """
    try:
        with _in_our_words():
            yield
    except AppException as refusal:
        said = refusal.members.get("reason") or getattr(refusal, "reason", None)
        cause = str(refusal.__cause__) if refusal.__cause__ else None
        log.warning("federation.refused", provider=provider, error_code=refusal.code, rule=said or cause)
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
