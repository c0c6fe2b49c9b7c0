"""Why a provider's answer cannot be used, in words of ours that logs and services switch on."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import structlog

from app.exceptions import ProviderFailed, ProviderUnavailable

log = structlog.get_logger()


class ProviderFault(StrEnum):
    """The `reason` of a `ProviderFailed`. Each value is stable."""

    ADDRESS_REFUSED = "address_refused"
    """What should be asked is not https, nor this machine in development."""
    REDIRECTED = "redirected"
    COMPRESSED = "compressed"
    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    """Another content type, or no unambiguous JSON object."""
    INCOMPLETE = "incomplete"
    """A member is missing, empty or of the wrong type."""
    REFUSED = "refused"
    """The provider says no, for a reason that is none of `REFUSALS`."""
    WRONG_METADATA = "wrong_metadata"
    """The discovery document is another issuer's, or lacks what sign-in needs."""
    NO_KEYS = "no_keys"
    """The key set holds no key that can check a signature here."""
    WRONG_SUBJECT = "wrong_subject"
    """What was asked about one person is answered about another."""
    NOT_OFFERED = "not_offered"
    """The provider has no endpoint for what was asked."""


INVALID_GRANT = "invalid_grant"
"""The code or the refresh token is spent, expired or revoked: only its user can give another."""
INVALID_TOKEN = "invalid_token"

REFUSALS = frozenset(
    {
        INVALID_GRANT,
        INVALID_TOKEN,
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_token_type",
    }
)
"""How providers word a refusal (RFC 6749, section 5.2; RFC 7009, section 2.2.1). Other words of theirs are not repeated."""


@contextmanager
def told(provider: str, step: str, **details: str) -> Iterator[None]:
    """Log why a provider could not be used at a step, with further details, and let the failure go on."""
    try:
        yield
    except (ProviderFailed, ProviderUnavailable) as failure:
        cause = str(failure.__cause__) if failure.__cause__ else None
        log.warning(
            "provider.failed",
            provider=provider,
            step=step,
            error_code=failure.code,
            reason=failure.reason,
            cause=cause,
            **details,
        )
        raise
