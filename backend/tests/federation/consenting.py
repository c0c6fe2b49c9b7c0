"""People who let this server do something for them at the provider, and what is kept of it."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from app.models import ProviderToken
from app.offline.people import Person as GooglePerson
from app.offline.testing import ADA, RunningProvider
from app.runtime import Runtime
from tests.accounts import Person
from tests.federation.browsers import Browser, landing_of, parameters_of
from tests.federation.drive import FILES
from tests.rows import write


async def consent(browser: Browser, person: Person, *scopes: str, comer: GooglePerson = ADA) -> None:
    """Agree to scopes by the path that PROVIDER_CONSENT_REQUIRED names."""
    begun = await browser.post("/auth/google/link", {"scopes": scopes or [FILES]}, **person.headers)
    assert begun.status_code == 200, begun.text
    callback = await browser.visitor.sign_in(begun.json()["authorization_url"], comer)
    assert parameters_of(landing_of(await browser.open(callback))) == {"linked": "google"}


async def kept_rows(runtime: Runtime) -> list[ProviderToken]:
    statement = select(ProviderToken).order_by(ProviderToken.identity_id)
    return list(await runtime.database.read.entities(statement))


async def change_tokens(runtime: Runtime, **values: object) -> None:
    await write(runtime, update(ProviderToken).values(**values))


async def let_expire(runtime: Runtime) -> None:
    """Make every access token that is kept one that has ended."""
    await change_tokens(runtime, expires_at=datetime.now(UTC) - timedelta(seconds=1))


def issued(google: RunningProvider) -> int:
    """Return how many access tokens the provider has given out."""
    return len(google.provider.access_tokens)


def scopes_of(google: RunningProvider, token: str) -> set[str]:
    """Return what the provider would let somebody do with a token; nothing for one that does not count."""
    access = google.provider.find_access(token, now=datetime.now(UTC))
    return set(access.scopes) if access else set()
