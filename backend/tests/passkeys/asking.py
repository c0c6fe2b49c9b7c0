"""Ceremonies over the API, step by step, so that a test can change what happens between two of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import insert, select, update

from app.auth.identifiers import new_id
from app.auth.keys import derive_key
from app.auth.passkeys.ceremonies import CeremonyKind, open_ceremony, seal_ceremony
from app.models import Passkey
from app.runtime import Runtime
from tests.accounts import API, Person
from tests.authenticator import GOOD, Authenticator, Quirks
from tests.factors import Answer, page_of
from tests.rows import change_session, change_user, write
from tests.tokens import session_id_of

OPTIONS = "/auth/me/passkeys/options"
PASSKEYS = "/auth/me/passkeys"


@dataclass(frozen=True)
class Asked:
    """What a browser was asked, and what goes back with its answer."""

    options: Mapping[str, Any]
    ceremony: str

    def body(self, device: Authenticator, quirks: Quirks = GOOD, **further: object) -> Answer:
        """Return what a client sends once the device has answered."""
        is_new = "pubKeyCredParams" in self.options
        credential = device.create(self.options, quirks) if is_new else device.get(self.options, quirks)
        return {"ceremony": self.ceremony, "credential": credential, **further}


def asked(response: httpx2.Response) -> Asked:
    """Return the question that stands in an answer."""
    assert response.status_code == 200, response.text
    return Asked(response.json()["publicKey"], response.json()["ceremony"])


async def asked_to_register(person: Person) -> Asked:
    return asked(await person.post(OPTIONS))


async def asked_to_sign_in(http: httpx2.AsyncClient) -> Asked:
    return asked(await http.post(f"{API}/auth/passkey/options"))


async def asked_for_second_factor(http: httpx2.AsyncClient, pending: str) -> Asked:
    return asked(await http.post(f"{API}/auth/second-factor/passkey/options", json={"pending": pending}))


async def asked_again(person: Person) -> Asked:
    """Return the question of a step-up."""
    return asked(await person.post("/auth/reauthenticate/passkey/options"))


async def sign_in(http: httpx2.AsyncClient, body: Mapping[str, object]) -> httpx2.Response:
    return await http.post(f"{API}/auth/passkey", json=body)


def with_id(credential: Mapping[str, Any], credential_id: str) -> Answer:
    """Return an answer that calls its passkey so."""
    return {**credential, "id": credential_id, "rawId": credential_id}


def changed(runtime: Runtime, begun: Asked, kind: CeremonyKind, **changes: object) -> Asked:
    """Return a ceremony as this server would have begun it at another time, or for somebody else."""
    key = derive_key(runtime.settings.secrets[0], "passkey-ceremony")
    opened = open_ceremony(begun.ceremony, [key], kind=kind, now=datetime.now(UTC))
    return Asked(begun.options, seal_ceremony(replace(opened, **changes), key))  # type: ignore[arg-type]


async def passkeys_of(runtime: Runtime, person: Person | None = None) -> Sequence[Passkey]:
    """Return the rows of somebody's passkeys, or all of them, the oldest first."""
    mine = () if person is None else (Passkey.user_id == UUID(person.id),)
    return await runtime.database.read.entities(select(Passkey).where(*mine).order_by(Passkey.id))


async def change_passkeys(runtime: Runtime, **values: object) -> None:
    await write(runtime, update(Passkey).values(**values))


async def add_rows(runtime: Runtime, person: Person, number: int) -> None:
    """Give somebody passkeys that no device holds."""
    same = {
        "user_id": UUID(person.id),
        "public_key": b"none",
        "sign_count": 0,
        "is_uv_initialized": True,
        "transports": "",
        "is_backup_eligible": True,
        "is_backed_up": True,
        "aaguid": UUID(int=0),
        "name": "Row",
        "created_at": datetime.now(UTC),
    }
    ids = [new_id() for _ in range(number)]
    await write(runtime, insert(Passkey).values([{**same, "id": each, "credential_id": each.bytes} for each in ids]))


async def prove_address(runtime: Runtime, person: Person) -> None:
    """Let an address be its user's, so that mail goes there."""
    await change_user(runtime, person, email_verified_at=datetime.now(UTC))


async def grow_old(runtime: Runtime, person: Person) -> None:
    """Let the proof of a session be an hour old."""
    earlier = datetime.now(UTC) - timedelta(hours=1)
    await change_session(runtime, session_id_of(person), authenticated_at=earlier)
    assert (await person.refresh()).status_code == 200


def fixed(runtime: Runtime) -> Authenticator:
    """Return a device that counts, and shares its passkeys with no other one."""
    return Authenticator(page_of(runtime), is_synced=False, counts=True)
