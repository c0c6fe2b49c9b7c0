"""Every limit once, by name. The figures are argued for in `docs/concepts/limits.md`."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Per(StrEnum):
    """Whose tries are counted together."""

    ACCOUNT = "account"
    """The address that was typed, in its normal form, whether or not it has an account here. Each device on which its owner
    has signed in is counted for itself."""
    OWN_DEVICES = "own devices"
    """All those devices of an account together. Nobody else's tries count."""
    ADDRESS = "address"
    """The client's address: IPv4 as it is, IPv6 by its /64."""
    CALLER = "caller"
    """The signed-in user, in whichever session."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many tries at once, and one more for each interval that has passed (GCRA)."""

    burst: int
    every: timedelta


@dataclass(frozen=True, slots=True)
class Rule:
    """Rates that all have to agree. Rules of one pool count together, whatever was tried."""

    pool: str
    per: Per
    rates: tuple[Rate, ...]
    failures_only: bool = False
    """Whether a try that succeeds is given back. It gives back itself and nothing else: a success of one's own clears
    no failure."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a route names: every rule has to agree."""

    name: str
    rules: tuple[Rule, ...]


_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)

LADDER = (
    Rate(5, 5 * _SECOND),
    Rate(8, 15 * _SECOND),
    Rate(12, _MINUTE),
    Rate(20, 15 * _MINUTE),
)
"""Failures slow down: five are free, then each waits 5, 15, 60 seconds, and never more than a quarter of an hour."""

_GUESSES_AT_ACCOUNT = Rule("guesses", Per.ACCOUNT, LADDER, failures_only=True)
_GUESSES_ON_OWN_DEVICES = Rule("guesses", Per.OWN_DEVICES, (Rate(100, 5 * _MINUTE),), failures_only=True)
"""Whoever has signed in on many devices cannot guess on each of them as if it were the only one."""
_GUESSES_BY_CALLER = Rule("guesses", Per.CALLER, LADDER, failures_only=True)
_GUESSES_FROM_ADDRESS = Rule("guesses", Per.ADDRESS, (Rate(50, 6 * _SECOND), Rate(200, _MINUTE)), failures_only=True)

_GUESSES = (_GUESSES_AT_ACCOUNT, _GUESSES_ON_OWN_DEVICES, _GUESSES_FROM_ADDRESS)
SIGN_IN = Limit("sign-in", _GUESSES)
MAILED_CODE = Limit("mailed-code", _GUESSES)
"""Codes that somebody types. They share the tries of passwords, so that no way in is a way around another one's limit."""
MAILED_LINK = Limit("mailed-link", (_GUESSES_FROM_ADDRESS,))
"""Links hold 256 bits: nobody guesses one, but each look-up costs."""
PASSWORD_AGAIN = Limit("password-again", (_GUESSES_BY_CALLER, _GUESSES_FROM_ADDRESS))
SECOND_FACTOR = Limit("second-factor", (_GUESSES_FROM_ADDRESS,))
"""Wrong codes are counted on the account as well, by whatever sign-in they come (services/second_factors/totp.py)."""
FACTOR_AGAIN = Limit("factor-again", (_GUESSES_BY_CALLER, _GUESSES_FROM_ADDRESS))
PASSKEY = Limit("passkey", (_GUESSES_FROM_ADDRESS,))
"""Nobody guesses a signature, but each look costs."""
PASSKEY_OPTIONS = Limit("passkey-options", (Rule("passkey-options", Per.ADDRESS, (Rate(120, _SECOND),)),))
REGISTER = Limit("register", (Rule("register", Per.ADDRESS, (Rate(30, 2 * _MINUTE),)),))


_MAILS_FROM_ADDRESS = Rule("mail", Per.ADDRESS, (Rate(20, _MINUTE),))


def _sending(what: str) -> tuple[Rule, Rule]:
    """Each mail has an account's tries of its own: who asks for one of them holds up no other."""
    return (Rule(f"mail: {what}", Per.ACCOUNT, (Rate(3, 5 * _MINUTE),)), _MAILS_FROM_ADDRESS)


SEND_CODE = Limit("send-code", _sending("code"))
SEND_RESET = Limit("send-reset", _sending("reset"))
SEND_VERIFICATION = Limit("send-verification", _sending("verification"))
CHANGE_ADDRESS = Limit("change-address", (Rule("mail", Per.CALLER, (Rate(5, 5 * _MINUTE),)), _MAILS_FROM_ADDRESS))
"""Nothing is counted for the new address: strangers who ask for it as well would keep its owner from it."""
INVITE = Limit("invite", (Rule("invite", Per.CALLER, (Rate(100, _MINUTE),)),))
PROVIDER = Limit("provider", (Rule("provider", Per.ADDRESS, (Rate(60, 2 * _SECOND),)),))
SET_UP = Limit("set-up", (Rule("set-up", Per.ADDRESS, (Rate(10, _MINUTE),)),))

LIMITS = {
    limit.name: limit
    for limit in (
        SIGN_IN,
        MAILED_CODE,
        MAILED_LINK,
        PASSWORD_AGAIN,
        SECOND_FACTOR,
        FACTOR_AGAIN,
        PASSKEY,
        PASSKEY_OPTIONS,
        REGISTER,
        SEND_CODE,
        SEND_RESET,
        SEND_VERIFICATION,
        CHANGE_ADDRESS,
        INVITE,
        PROVIDER,
        SET_UP,
    )
}
"""By the name that a route gives: `dependencies=[Public, Limited("sign-in", account="username")]`."""
