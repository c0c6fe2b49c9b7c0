"""A browser with a device of passkeys, in software: it makes and uses them as WebAuthn Level 3 says, from the options' JSON.

`Quirks` make an answer wrong in one point. Its signature is made last, so that it is right in every other.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as new_p256_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as new_rsa_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

EDDSA, ES256, RS256 = -8, -7, -257
UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
AAGUID = bytes.fromhex("6028b017b1d44c02b4b3afcdafc96bb2")

TYPE_OF_CREATE, TYPE_OF_GET = "webauthn.create", "webauthn.get"
PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey
Answer = dict[str, Any]


class NotAllowed(Exception):
    """What a page gets as `NotAllowedError`: nothing fits, or the device cannot do what is required."""


class InvalidState(Exception):
    """What a page gets as `InvalidStateError`: the device holds one of the passkeys to exclude."""


@dataclass(frozen=True)
class Quirks:
    """Where an answer differs from a good one. Without any, it does not."""

    type: str | None = None
    challenge: bytes | None = None
    origin: str | None = None
    cross_origin: object = False
    """None: the member is left out, as old browsers do."""
    client_data: Mapping[str, object] = field(default_factory=dict)
    """Further members, such as `topOrigin`."""
    change_client_data: Callable[[bytes], bytes] = bytes
    rp_id: str | None = None
    set_flags: int = 0
    clear_flags: int = 0
    counter: int | None = None
    extensions: object = None
    """Answers to extensions, which set their flag."""
    trailing: bytes = b""
    """Behind the authenticator data."""
    change_authenticator_data: Callable[[bytes], bytes] = bytes
    attested_id: bytes | None = None
    """What the device says that the new passkey's id is, where the browser says otherwise."""
    public_key: bytes | None = None
    is_attested: bool = True
    """Whether a new passkey follows in the answer to a registration."""
    attestation: Mapping[str, object] = field(default_factory=lambda: {"fmt": "none", "attStmt": {}})
    user_handle: bytes | None = None
    without_user_handle: bool = False
    break_signature: bool = False


GOOD = Quirks()


@dataclass
class Held:
    """A passkey on the device."""

    id: bytes
    rp_id: str
    user_handle: bytes
    algorithm: int
    key: PrivateKey
    is_discoverable: bool
    counter: int = 0


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@cache
def _rsa_key() -> RSAPrivateKey:
    """One for all: to make one takes a moment."""
    return new_rsa_key(public_exponent=65537, key_size=2048)


def new_key(algorithm: int) -> PrivateKey:
    """Return a private key for one of the three algorithms."""
    if algorithm == ES256:
        return new_p256_key(SECP256R1())
    return Ed25519PrivateKey.generate() if algorithm == EDDSA else _rsa_key()


def cose_members(key: PrivateKey) -> dict[int, int | bytes]:
    """Return the public half in COSE form (RFC 9053, section 7; RFC 8230, section 4), before it is encoded."""
    if isinstance(key, EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        return {1: 2, 3: ES256, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
    if isinstance(key, Ed25519PrivateKey):
        return {1: 1, 3: EDDSA, -1: 6, -2: key.public_key().public_bytes_raw()}
    numbers = key.public_key().public_numbers()
    modulus, exponent = numbers.n.to_bytes(key.key_size // 8, "big"), numbers.e.to_bytes(3, "big")
    return {1: 3, 3: RS256, -1: modulus, -2: exponent}


def sign(key: PrivateKey, content: bytes) -> bytes:
    if isinstance(key, EllipticCurvePrivateKey):
        return key.sign(content, ECDSA(SHA256()))
    return key.sign(content) if isinstance(key, Ed25519PrivateKey) else key.sign(content, PKCS1v15(), SHA256())


class Authenticator:
    """One browser on one device. A page is opened at `origin`; the user agrees to whatever is asked."""

    def __init__(
        self,
        origin: str,
        *,
        algorithms: Sequence[int] = (ES256, EDDSA, RS256),
        transports: Sequence[str] = ("internal", "hybrid"),
        verifies_user: bool = True,
        is_synced: bool = True,
        keeps_discoverable: bool = True,
        counts: bool = False,
    ) -> None:
        """Take what the device can do. Synced passkeys do not count, others may."""
        self.origin = origin
        self.algorithms = algorithms
        self.transports = list(transports)
        self.verifies_user = verifies_user
        self.is_synced = is_synced
        self.keeps_discoverable = keeps_discoverable
        self.counts = counts
        self.held: list[Held] = []

    def create(self, options: Mapping[str, Any], quirks: Quirks = GOOD) -> Answer:
        """Answer `navigator.credentials.create()`. Raises `InvalidState` and `NotAllowed`."""
        party, selection = options["rp"]["id"], options["authenticatorSelection"]
        self._check_page(party)
        if any(decode(each["id"]) in self._ids(party) for each in options["excludeCredentials"]):
            raise InvalidState
        algorithm = self._chosen([each["alg"] for each in options["pubKeyCredParams"]])
        flags = self._consent(selection["userVerification"]) | (AT if quirks.is_attested else 0)
        is_discoverable = self.keeps_discoverable and selection["residentKey"] != "discouraged"
        user = decode(options["user"]["id"])
        passkey = Held(secrets.token_bytes(32), party, user, algorithm, new_key(algorithm), is_discoverable)
        client_data = self._client_data(TYPE_OF_CREATE, options["challenge"], quirks)
        data = self._authenticator_data(passkey, flags, quirks, self._attested(passkey, quirks))
        # One passkey of each account and relying party, as devices keep the discoverable ones.
        self.held = [each for each in self.held if (each.rp_id, each.user_handle) != (party, user)]
        self.held.append(passkey)
        return self._credential(
            passkey,
            {
                "clientDataJSON": encode(client_data),
                "attestationObject": encode(cbor2.dumps({**quirks.attestation, "authData": data})),
                "transports": self.transports,
                # What browsers add for who does not want to read CBOR, and no relying party need believe.
                "authenticatorData": encode(data),
                "publicKey": encode(self._public_der(passkey)),
                "publicKeyAlgorithm": algorithm,
            },
            {"credProps": {"rk": is_discoverable}} if options.get("extensions", {}).get("credProps") else {},
        )

    def get(self, options: Mapping[str, Any], quirks: Quirks = GOOD) -> Answer:
        """Answer `navigator.credentials.get()`, with the newest passkey that fits. Raises `NotAllowed`."""
        self._check_page(options["rpId"])
        allowed = [decode(each["id"]) for each in options["allowCredentials"]]
        fitting = [
            each
            for each in self.held
            if each.rp_id == options["rpId"] and (each.id in allowed if allowed else each.is_discoverable)
        ]
        if not fitting:
            raise NotAllowed
        passkey = fitting[-1]
        passkey.counter += self.counts
        client_data = self._client_data(TYPE_OF_GET, options["challenge"], quirks)
        data = self._authenticator_data(passkey, self._consent(options["userVerification"]), quirks)
        signature = sign(passkey.key, data + hashlib.sha256(client_data).digest())
        if quirks.break_signature:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        handle = quirks.user_handle or (passkey.user_handle if passkey.is_discoverable else None)
        response = {
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(data),
            "signature": encode(signature),
        }
        if handle is not None and not quirks.without_user_handle:
            response["userHandle"] = encode(handle)
        return self._credential(passkey, response, {})

    def public_key(self) -> bytes:
        """Return the public half of the newest passkey, in COSE form."""
        return cbor2.dumps(cose_members(self.held[-1].key))

    def _ids(self, party: str) -> list[bytes]:
        return [each.id for each in self.held if each.rp_id == party]

    def _check_page(self, party: str) -> None:
        """A browser makes and uses passkeys on the pages of their relying party alone."""
        host = urlsplit(self.origin).hostname or ""
        if host != party and not host.endswith(f".{party}") and not self.origin.startswith("android:"):
            raise NotAllowed

    def _chosen(self, asked: Sequence[int]) -> int:
        for algorithm in asked:
            if algorithm in self.algorithms:
                return algorithm
        raise NotAllowed

    def _consent(self, verification: str) -> int:
        if verification == "required" and not self.verifies_user:
            raise NotAllowed
        flags = UV if self.verifies_user and verification != "discouraged" else 0
        return UP | flags | (BE | BS if self.is_synced else 0)

    def _client_data(self, due: str, challenge: str, quirks: Quirks) -> bytes:
        data: dict[str, object] = {
            "type": quirks.type or due,
            "challenge": challenge if quirks.challenge is None else encode(quirks.challenge),
            "origin": self.origin if quirks.origin is None else quirks.origin,
        }
        if quirks.cross_origin is not None:
            data["crossOrigin"] = quirks.cross_origin
        written = json.dumps({**data, **quirks.client_data}, separators=(",", ":"), ensure_ascii=False)
        return quirks.change_client_data(written.encode())

    def _authenticator_data(self, passkey: Held, flags: int, quirks: Quirks, attested: bytes = b"") -> bytes:
        extended = b"" if quirks.extensions is None else cbor2.dumps(quirks.extensions)
        flags |= ED if extended else 0
        flags = (flags | quirks.set_flags) & ~quirks.clear_flags
        counter = passkey.counter if quirks.counter is None else quirks.counter
        party = hashlib.sha256((quirks.rp_id or passkey.rp_id).encode()).digest()
        data = party + bytes([flags]) + counter.to_bytes(4, "big") + attested + extended + quirks.trailing
        return quirks.change_authenticator_data(data)

    def _attested(self, passkey: Held, quirks: Quirks) -> bytes:
        if not quirks.is_attested:
            return b""
        identifier = passkey.id if quirks.attested_id is None else quirks.attested_id
        key = cbor2.dumps(cose_members(passkey.key)) if quirks.public_key is None else quirks.public_key
        return AAGUID + len(identifier).to_bytes(2, "big") + identifier + key

    @staticmethod
    def _public_der(passkey: Held) -> bytes:
        return passkey.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @staticmethod
    def _credential(passkey: Held, response: Answer, extensions: Answer) -> Answer:
        """Return what `PublicKeyCredential.toJSON()` does."""
        return {
            "id": encode(passkey.id),
            "rawId": encode(passkey.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "response": response,
            "clientExtensionResults": extensions,
        }
