"""Reads the public keys of a provider (JSON Web Key Set, RFC 7517, section 5). It fetches nothing."""

from collections.abc import Iterator, Mapping

from app.auth.keys import SigningKey, foreign_public_key

PROVIDER_ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""What a provider may sign with. No algorithm of a shared key: what is published would be enough to forge."""
MAXIMUM_KEYS = 100
"""Entries of a set that are looked at. Providers publish two to five."""
MAXIMUM_KID_LENGTH = 255

_ALGORITHM_OF_TYPE = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
_PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
_MAXIMUM_MEMBER_LENGTH = 2048
"""Characters: more than a modulus of 8192 bits has."""


class KeySetInvalid(ValueError):
    """The document is no key set at all."""


def read_jwks(document: object) -> Mapping[str, SigningKey]:
    """Return the keys of a set that may check ID tokens, by `kid`. `document` is the JSON as it was read.

    An entry that is malformed, weak, unknown here, meant for encryption, without a name, or published together with its
    private half is passed over and harms no other (RFC 7517, section 5); so the answer may be empty. Of two usable
    entries with one name the first counts. Raises `KeySetInvalid` when there is no list of keys.
    """
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list):
        raise KeySetInvalid("no list of keys")
    keys: dict[str, SigningKey] = {}
    for key in _usable(entries[:MAXIMUM_KEYS]):
        keys.setdefault(key.kid, key)
    return keys


def _usable(entries: list[object]) -> Iterator[SigningKey]:
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        members = {name: value for name, value in entry.items() if _is_short_text(value)}
        kid, algorithm = members.get("kid"), _algorithm(entry)
        if not kid or len(kid) > MAXIMUM_KID_LENGTH or algorithm is None or not _is_for_signatures(entry):
            continue
        try:
            yield foreign_public_key(members, kid=kid, algorithm=algorithm)
        except ValueError:
            continue


def _algorithm(entry: Mapping[str, object]) -> str | None:
    """Return the only algorithm that may be used with a key, or None: another one that it names is none of ours."""
    kind, curve = entry.get("kty"), entry.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    algorithm = _ALGORITHM_OF_TYPE.get((kind, curve))
    return algorithm if entry.get("alg", algorithm) == algorithm else None


def _is_for_signatures(entry: Mapping[str, object]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    checks = isinstance(operations, list) and "verify" in operations
    return checks and entry.get("use", "sig") == "sig" and not _PRIVATE_MEMBERS & entry.keys()


def _is_short_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAXIMUM_MEMBER_LENGTH
