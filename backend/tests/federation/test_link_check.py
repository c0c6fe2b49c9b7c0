"""What support learns about somebody who cannot come in: the decision, from the real accounts, without a change."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import insert

from app.auth.google import google_provider
from app.auth.identifiers import new_id
from app.exceptions import FieldInvalid, NotFoundError
from app.models import Identity
from app.runtime import Runtime
from app.services.federation.link_check import SupposedComer, check_link
from tests.accounts import Accounts
from tests.rows import change_user, everything, write

GOOGLE = "https://accounts.google.com"


async def check(
    runtime: Runtime,
    email: str,
    *,
    signed_in_as: str | None = None,
    verified: bool = True,
    subject: str | None = None,
    issuer: str = GOOGLE,
    hosted_domain: str | None = None,
) -> str:
    """Return action and rule."""
    provider = google_provider(client_id="c", client_secret="s") if issuer == GOOGLE else None
    comer = SupposedComer(
        issuer=issuer, subject=subject, email=email, verified=verified, provider=provider, hosted_domain=hosted_domain
    )
    _, decision = await check_link(runtime.database.read, comer=comer, signed_in_as=signed_in_as)
    return f"{decision.action} by {decision.rule}"


async def test_it_tells_what_would_happen_in_the_present_state(accounts: Accounts, runtime: Runtime) -> None:
    """ID-06."""
    unproved, proved = await accounts.register("unproved@example.com"), await accounts.register("proved@example.com")
    administrator = await accounts.register("admin@example.com")
    await accounts.set_role(administrator, "admin")
    await change_user(runtime, proved, email_verified_at=datetime.now(UTC))
    before = await everything(runtime)
    assert await check(runtime, "nobody@example.com") == "create by new_account"
    assert await check(runtime, proved.email, verified=False) == "refuse by address_not_verified"
    at_work = await check(runtime, "UnProved@Example.com", hosted_domain="example.com")
    assert at_work == "create by unproved_gives_way"
    assert await check(runtime, unproved.email) == "ask by no_authority"
    stranger = await check(runtime, unproved.email, issuer="https://other.example", hosted_domain="example.com")
    assert stranger == "ask by no_authority"
    assert await check(runtime, administrator.email) == "ask by account_exists"
    assert await check(runtime, proved.email) == "ask by account_exists"
    assert await check(runtime, proved.email, signed_in_as=proved.email) == "link by owner_links"
    assert await check(runtime, proved.email, signed_in_as=unproved.email) == "ask by address_of_another"
    assert await everything(runtime) == before


async def test_somebody_who_came_before_is_known_by_issuer_and_subject(accounts: Accounts, runtime: Runtime) -> None:
    """ID-03: and by nothing else."""
    owner, other = await accounts.register(), await accounts.register()
    now = datetime.now(UTC)
    row = {"id": new_id(), "user_id": UUID(owner.id), "issuer": GOOGLE, "subject": "1017", "email": "old@example.com"}
    await write(runtime, insert(Identity).values(**row, email_verified=True, created_at=now, last_used_at=now))
    assert await check(runtime, "new@example.com", subject="1017") == "sign_in by known_identity"
    assert await check(runtime, "old@example.com", subject="1018") == "create by new_account"
    elsewhere = await check(runtime, "new@example.com", subject="1017", issuer="https://other.example")
    assert elsewhere == "create by new_account"
    taken = await check(runtime, "new@example.com", subject="1017", signed_in_as=other.email)
    assert taken == "refuse by identity_of_another"
    mine = await check(runtime, "new@example.com", subject="1017", signed_in_as=owner.email)
    assert mine == "sign_in by already_linked"


async def test_what_makes_no_sense_is_refused(runtime: Runtime) -> None:
    with pytest.raises(FieldInvalid):
        await check(runtime, "nobody")
    with pytest.raises(NotFoundError):
        await check(runtime, "a@example.com", signed_in_as="nobody@example.com")
