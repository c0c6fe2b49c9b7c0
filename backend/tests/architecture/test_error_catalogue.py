import importlib
import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from app.exceptions import AppException, FieldInvalid, Refusal
from tests.architecture.sources import source_files

CATALOGUE = {
    "BODY_TOO_LARGE": 413,
    "BUSY": 503,
    "CONFLICT": 409,
    "CROSS_SITE_REQUEST": 403,
    "DATABASE_UNAVAILABLE": 503,
    "EMAIL_NOT_VERIFIED": 403,
    "EMAIL_TAKEN": 409,
    "ENROLMENT_NOT_BEGUN": 409,
    "FLOW_INVALID": 400,
    "HOST_NOT_ALLOWED": 400,
    "IDENTITY_REFUSED": 403,
    "IDENTITY_TAKEN": 409,
    "ID_TOKEN_INVALID": 400,
    "INSUFFICIENT_USER_AUTHENTICATION": 401,
    "INTERNAL_ERROR": 500,
    "INVALID_CREDENTIALS": 401,
    "INVALID_REQUEST": 400,
    "INVITATION_OPEN": 409,
    "LAST_ADMINISTRATOR": 409,
    "LAST_WAY_IN": 409,
    "LIMITS_UNAVAILABLE": 503,
    "LINK_REQUIRED": 409,
    "MAILED_PROOF_INVALID": 400,
    "MALFORMED_BODY": 400,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_AUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "NOT_READY": 503,
    "PASSKEY_REFUSED": 403,
    "PENDING_SIGN_IN_INVALID": 400,
    "PERMISSION_DENIED": 403,
    "PROVIDER_CONSENT_REQUIRED": 403,
    "PROVIDER_FAILED": 502,
    "PROVIDER_REFUSED": 403,
    "PROVIDER_UNAVAILABLE": 503,
    "RATE_LIMITED": 429,
    "REFRESH_TOKEN_INVALID": 401,
    "RETURN_TO_REFUSED": 400,
    "SECOND_FACTOR_NEEDED": 409,
    "SECOND_FACTOR_REQUIRED": 403,
    "SECOND_FACTOR_WRONG": 403,
    "SERVICE_UNAVAILABLE": 503,
    "SESSION_ENDED": 401,
    "SETUP_CODE_INVALID": 403,
    "SIGN_UP_CLOSED": 403,
    "TOKEN_EXPIRED": 401,
    "TOKEN_INVALID": 401,
    "TOO_MANY_PASSKEYS": 409,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "VALIDATION_FAILED": 422,
    "WRONG_PASSWORD": 403,
}
"""Clients switch on these. A code may be added here; to change or to remove one breaks them."""

REFUSALS = {
    "EMAIL_NOT_VERIFIED",
    "IDENTITY_REFUSED",
    "IDENTITY_TAKEN",
    "INVALID_CREDENTIALS",
    "LINK_REQUIRED",
    "MAILED_PROOF_INVALID",
    "PASSKEY_REFUSED",
    "RATE_LIMITED",
    "SECOND_FACTOR_REQUIRED",
    "SECOND_FACTOR_WRONG",
    "SESSION_ENDED",
    "WRONG_PASSWORD",
}
"""After these, what was written on the way is kept. A new one needs a look at what is written before it is raised."""

SHARED = {
    # The root and the root of those that keep what was written.
    "INTERNAL_ERROR": {"AppException", "Refusal"},
    # A field that only the service can judge looks like one that the schema refuses.
    "VALIDATION_FAILED": {"ValidationFailed", "FieldInvalid", "NewPasswordRefused"},
}
"""Codes that several classes carry on purpose."""


def ours(root: type[AppException] = AppException) -> Iterator[type[AppException]]:
    """Yield every class of the catalogue, wherever in the application it is written."""
    for name in source_files():
        importlib.import_module(name)
    yield from (error for error in {root, *descendants(root)} if error.__module__.startswith("app."))


def descendants(error: type[AppException]) -> Iterator[type[AppException]]:
    for child in error.__subclasses__():
        yield child
        yield from descendants(child)


def example(error: type[AppException]) -> AppException:
    if issubclass(error, FieldInvalid):
        return error("/email", "EMAIL_INVALID", "this is not an e-mail address")
    return error()


ERRORS = sorted(ours(), key=lambda error: error.__name__)
EVERY_ERROR = pytest.mark.parametrize("error", ERRORS)


def test_the_codes_and_their_statuses_are_frozen() -> None:
    """PD-01, S89, S90: a stable code with the status that fits it."""
    assert {error.code: error.status_code for error in ours()} == CATALOGUE


def test_a_code_belongs_to_one_class_unless_shared_on_purpose() -> None:
    """PD-01."""
    holders: dict[str, set[str]] = defaultdict(set)
    for error in ours():
        holders[error.code].add(error.__name__)
    assert {code: names for code, names in holders.items() if len(names) > 1} == SHARED


def test_classes_that_share_a_code_share_its_status_and_title() -> None:
    """PD-01, V6.3.8: two situations that must look alike cannot drift."""
    looks: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for error in ours():
        looks[error.code].add((error.status_code, error.title))
    assert {code: seen for code, seen in looks.items() if len(seen) > 1} == {}


def test_what_is_kept_after_a_refusal_is_frozen() -> None:
    """V2.3.3: an ordinary error undoes, a refusal keeps; which is which is a decision."""
    assert {error.code for error in ours(Refusal)} - {"INTERNAL_ERROR"} == REFUSALS


@EVERY_ERROR
def test_every_error_lives_in_the_catalogue(error: type[AppException]) -> None:
    """S88: what is not in the catalogue is in no document."""
    assert error.__module__.startswith("app.exceptions.")


@EVERY_ERROR
def test_every_code_is_upper_snake_case(error: type[AppException]) -> None:
    """PD-01."""
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", error.code)


@EVERY_ERROR
def test_every_error_has_a_title_and_says_what_it_means(error: type[AppException]) -> None:
    """PD-01: the title is a person's first line, the docstring goes into docs/errors.md."""
    assert error.title == error.title.strip()
    assert error.title
    assert not error.title.endswith(".")
    assert error.__doc__


@EVERY_ERROR
def test_every_error_carries_the_headers_that_its_status_asks_for(error: type[AppException]) -> None:
    """PD-03, S58: 401 says how to authenticate, 429 and 503 when to come back."""
    headers = example(error).headers
    assert ("WWW-Authenticate" in headers) == (error.status_code == 401)
    assert ("Retry-After" in headers) == (error.status_code in {429, 503})
