"""Which public keys are taken: of the algorithms that we ask for, whole, and strong enough."""

from app.auth.passkeys.cbor import CborInvalid, read_whole
from app.auth.passkeys.values import PasskeyRejected, Reason

EDDSA, ES256, RS256 = -8, -7, -257
ALGORITHMS = (EDDSA, ES256, RS256)
"""What is asked for, the best first (numbers of the IANA registry "COSE Algorithms")."""

_KEY_TYPE, _ALGORITHM, _CURVE, _X, _Y = 1, 3, -1, -2, -3
_MODULUS, _EXPONENT = -1, -2
_POINT_BYTES = 32
_MODULUS_BITS = range(2048, 4096 + 1)
"""Below, it can be factored some day soon; above, each sign-in would cost more than it is worth."""
_EXPONENT_BYTES = 4
"""The exponent is 65537 everywhere. A long one makes the check of a signature slow."""


def check_public_key(encoded: bytes) -> None:
    """Raise `PasskeyRejected` unless this is a public key in COSE form that we asked for, and nothing else.

    A key has exactly the members of its kind, and ES256 is on P-256 (WebAuthn, sections 5.8.5 and 6.5.1; RFC 9053,
    section 7). Whether a point lies on its curve is not seen here.
    """
    try:
        key = read_whole(encoded)
    except CborInvalid as error:
        raise PasskeyRejected(Reason.MALFORMED) from error
    if not isinstance(key, dict):
        raise PasskeyRejected(Reason.MALFORMED)
    algorithm = key.get(_ALGORITHM)
    if algorithm not in ALGORITHMS:
        raise PasskeyRejected(Reason.ALGORITHM)
    if not _KINDS[algorithm](key):
        raise PasskeyRejected(Reason.PUBLIC_KEY)


def _is_ed25519(key: dict[int | str, object]) -> bool:
    return _has(key, {_KEY_TYPE: 1, _CURVE: 6}, (_X,)) and _is_coordinate(key[_X])


def _is_p256(key: dict[int | str, object]) -> bool:
    return _has(key, {_KEY_TYPE: 2, _CURVE: 1}, (_X, _Y)) and _is_coordinate(key[_X]) and _is_coordinate(key[_Y])


def _is_rsa(key: dict[int | str, object]) -> bool:
    if not _has(key, {_KEY_TYPE: 3}, (_MODULUS, _EXPONENT)):
        return False
    modulus, exponent = key[_MODULUS], key[_EXPONENT]
    if not isinstance(modulus, bytes) or not isinstance(exponent, bytes):
        return False
    return int.from_bytes(modulus, "big").bit_length() in _MODULUS_BITS and 0 < len(exponent) <= _EXPONENT_BYTES


_KINDS = {EDDSA: _is_ed25519, ES256: _is_p256, RS256: _is_rsa}


def _has(key: dict[int | str, object], fixed: dict[int, int], others: tuple[int, ...]) -> bool:
    """Whether a key has its fixed members with their values, the others with any, and no more."""
    if set(key) != {_ALGORITHM, *fixed, *others}:
        return False
    return all(type(key[name]) is int and key[name] == value for name, value in fixed.items())


def _is_coordinate(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == _POINT_BYTES
