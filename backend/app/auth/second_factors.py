"""Second factors: who is asked for one, and what a session says about it. Pure rules, without a database."""

from dataclasses import dataclass
from enum import StrEnum

from app.auth.assurance import DEVICE_PASSKEY, MULTI_FACTOR, SYNCED_PASSKEY, USER_VERIFIED

OFF, OPTIONAL, REQUIRED = "off", "optional", "required"
"""SECOND_FACTOR: never asked for; asked of those who have one; everybody has to have one."""


class Stage(StrEnum):
    """What a sign-in still lacks once its first factor has been proved."""

    SECOND_FACTOR = "second_factor"
    """One of the account's own."""
    ENROLMENT = "enrolment"
    """The account has none and must have one: it gets one first."""


class Factor(StrEnum):
    """What may be proved beside the first factor."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"
    PASSWORD = "password"  # The name of a factor.
    """Beside a passkey that did not verify its user."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What an account, and the installation, demand of a sign-in."""

    policy: str
    """`off`, `optional` or `required`, for this account's role."""
    has_factor: bool
    must_enrol: bool = False
    """An administrator has taken the account's factors away: another one comes before the next session."""


def stage_for(demand: Demand, methods: tuple[str, ...]) -> Stage | None:
    """Return what a sign-in by these methods still lacks; None: nothing."""
    if demand.policy == OFF or is_multi_factor(methods):
        return None
    if demand.has_factor:
        return Stage.SECOND_FACTOR
    return Stage.ENROLMENT if demand.policy == REQUIRED or demand.must_enrol else None


def is_multi_factor(methods: tuple[str, ...]) -> bool:
    """Whether two factors have been proved: a second one at the gate, or a passkey that verified its user."""
    return MULTI_FACTOR in methods


def is_passkey_alone(methods: tuple[str, ...]) -> bool:
    """Whether the first factor was a passkey that did not verify its user: then another one is no second factor."""
    return methods[0] in {SYNCED_PASSKEY, DEVICE_PASSKEY} and USER_VERIFIED not in methods


def with_second_factor(methods: tuple[str, ...], *second: str) -> tuple[str, ...]:
    """Return the methods of a sign-in, or of a session, once a second factor has been proved (RFC 8176, `mfa`)."""
    return tuple(dict.fromkeys((*methods, *second, MULTI_FACTOR)))


def passkey_methods(*, is_synced: bool, is_user_verified: bool) -> tuple[str, ...]:
    """Return the methods of a proof by passkey. One that verified its user is two factors in one."""
    key = SYNCED_PASSKEY if is_synced else DEVICE_PASSKEY
    return (key, USER_VERIFIED, MULTI_FACTOR) if is_user_verified else (key,)


def offered(held: frozenset[Factor], methods: tuple[str, ...]) -> tuple[Factor, ...]:
    """Return which of the factors that an account has may follow this first one, in the order of `Factor`."""
    unfit = {Factor.PASSKEY} if is_passkey_alone(methods) else {Factor.PASSWORD}
    return tuple(factor for factor in Factor if factor in held - unfit)
