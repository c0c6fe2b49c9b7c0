"""What support learns about somebody who cannot come in: the decision, from the real accounts, without a change."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import insert

from app.auth.google import google_provider
from app.auth.identifiers import new_id
from app.auth.oidc.provider import Provider
from app.exceptions import FieldInvalid, NotFoundError
from app.models import Identity
from app.runtime import Runtime
from app.services.federation.link_check import Forecast, SupposedComer, check_link
from tests.accounts import Accounts, Person
from tests.rows import change_user, everything, write

GOOGLE = google_provider(client_id="c", client_secret="s")
OTHER = Provider(name="other", issuers=("https://other.example",), client_id="c", client_secret="s", audiences=("c",))


async def check(
    runtime: Runtime,
    email: str,
    *,
    signed_in_as: str | None = None,
    verified: bool = True,
    subject: str | None = None,
    provider: Provider = GOOGLE,
    hosted_domain: str | None = None,
) -> str:
    """Return action and rule."""
    comer = SupposedComer(
        provider=provider, subject=subject, email=email, verified=verified, hosted_domain=hosted_domain
    )
    forecast = await check_link(
        runtime.database.read, settings=runtime.settings, comer=comer, signed_in_as=signed_in_as
    )
    return f"{forecast.action} by {forecast.rule}"


async def forecast_for(
    runtime: Runtime, email: str, *, provider: Provider = GOOGLE, subject: str | None = None, hd: str | None = None
) -> Forecast:
    comer = SupposedComer(provider=provider, subject=subject, email=email, verified=True, hosted_domain=hd)
    return await check_link(runtime.database.read, settings=runtime.settings, comer=comer, signed_in_as=None)


async def add_identity(runtime: Runtime, owner: Person, subject: str = "1017") -> None:
    """Let somebody have come from Google before, with an address that is not the account's."""
    now = datetime.now(UTC)
    row = {"id": new_id(), "user_id": UUID(owner.id), "issuer": GOOGLE.issuer, "email": "old@example.com"}
    row |= {"subject": subject, "email_verified": True, "created_at": now, "last_used_at": now}
    await write(runtime, insert(Identity).values(**row))


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
    stranger = await check(runtime, unproved.email, provider=OTHER, hosted_domain="example.com")
    assert stranger == "ask by no_authority"
    assert await check(runtime, administrator.email) == "ask by account_exists"
    assert await check(runtime, proved.email) == "ask by account_exists"
    assert await check(runtime, proved.email, signed_in_as=proved.email) == "link by owner_links"
    assert await check(runtime, proved.email, signed_in_as=unproved.email) == "ask by address_of_another"
    assert await everything(runtime) == before


async def test_somebody_who_came_before_is_known_by_issuer_and_subject(accounts: Accounts, runtime: Runtime) -> None:
    """ID-03: and by nothing else."""
    owner, other = await accounts.register(), await accounts.register()
    await add_identity(runtime, owner)
    assert await check(runtime, "new@example.com", subject="1017") == "sign_in by known_identity"
    assert await check(runtime, "old@example.com", subject="1018") == "create by new_account"
    elsewhere = await check(runtime, "new@example.com", subject="1017", provider=OTHER)
    assert elsewhere == "create by new_account"
    taken = await check(runtime, "new@example.com", subject="1017", signed_in_as=other.email)
    assert taken == "refuse by identity_of_another"
    mine = await check(runtime, "new@example.com", subject="1017", signed_in_as=owner.email)
    assert mine == "sign_in by already_linked"


async def test_without_a_subject_those_who_came_with_the_address_are_named(
    accounts: Accounts, runtime: Runtime
) -> None:
    """By the address that the provider named, and by that of the account; not those of another provider."""
    owner = await accounts.register("kim@example.com")
    await add_identity(runtime, owner)
    assert (await forecast_for(runtime, "old@example.com")).known_subjects == ["1017"]
    assert (await forecast_for(runtime, "Kim@Example.com")).known_subjects == ["1017"]
    assert not (await forecast_for(runtime, "kim@example.com", subject="1017")).known_subjects
    assert not (await forecast_for(runtime, "kim@example.com", provider=OTHER)).known_subjects
    assert not (await forecast_for(runtime, "else@example.com")).known_subjects


async def test_a_disabled_account_lets_nobody_in(accounts: Accounts, runtime: Runtime) -> None:
    """3.3-16: neither whom the identity is known of, nor whom an unproved account would give way to, nor its own user."""
    known, unproved = await accounts.register(), await accounts.register("unproved@example.com")
    await add_identity(runtime, known)
    for person in (known, unproved):
        await change_user(runtime, person, is_active=False)
    for forecast in (
        await forecast_for(runtime, "old@example.com", subject="1017"),
        await forecast_for(runtime, unproved.email, hd="example.com"),
    ):
        assert (forecast.action, forecast.rule) == ("refuse", "account_disabled")
        assert forecast.error_code == "INVALID_CREDENTIALS"
    assert await check(runtime, "x@example.com", signed_in_as=unproved.email) == "refuse by account_disabled"
    # Who is not let in for another reason is told that one.
    assert (await forecast_for(runtime, unproved.email)).error_code == "LINK_REQUIRED"


async def test_only_members_of_the_organisation_are_let_in(runtime: Runtime) -> None:
    """ID-10: before the table is read."""
    corp = google_provider(client_id="c", client_secret="s", hosted_domain="corp.example")
    for domain in (None, "other.example", "CORP.example"):
        forecast = await forecast_for(runtime, "ada@corp.example", provider=corp, hd=domain)
        assert (forecast.action, forecast.rule) == ("refuse", "hosted_domain")
        assert forecast.error_code == "ID_TOKEN_INVALID"
    member = await forecast_for(runtime, "ada@corp.example", provider=corp, hd="corp.example")
    assert (member.action, member.error_code) == ("create", None)


async def test_what_makes_no_sense_is_refused(runtime: Runtime) -> None:
    with pytest.raises(FieldInvalid):
        await check(runtime, "nobody")
    with pytest.raises(NotFoundError):
        await check(runtime, "a@example.com", signed_in_as="nobody@example.com")
