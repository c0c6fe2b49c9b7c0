"""What `ostiary doctor` looks at: things that start, and are nevertheless wrong or could be better."""

import asyncio
import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values

from app.auth.oidc.provider import Provider
from app.config import Settings
from app.database import Database
from app.exceptions import NotReady, ProviderFailed, ProviderUnavailable
from app.migrations import Revisions
from app.second_factor_settings import is_network_address, own_domain
from app.services.administrators import has_administrator
from app.services.federation.documents import discovery_url, fetch_metadata
from app.services.federation.outbound import Outbound
from app.services.readiness import check_readiness
from app.services.second_factors.resealing import count_seeds
from app.services.second_factors.seeds import SeedSeals
from app.services.signing_keys import HeldKey, read_keys, timetable

ADVISED_PASSWORD_LENGTH = 15
"""NIST SP 800-63B-4, section 3.1.1.1, for a password that stands alone."""
_GOOGLE_CLIENT = ".apps.googleusercontent.com"
"""How every client id of Google's ends."""

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
"""Where Linux says who gets memory in large pages, the choice in brackets: `always [madvise] never`."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `requirement` is the OWASP ASVS 5.0 requirement that a fault fails."""

    level: Literal["ok", "advice", "fault"]
    text: str
    requirement: str = ""


async def examine(settings: Settings, database: Database, expected: Revisions) -> list[Finding]:
    """Return every finding: first the database, then the settings, then the files."""
    findings = [await _database(database, expected)]
    if findings[0].level == "ok":
        findings.append(await _administrator(database))
        findings += _signing_keys(await read_keys(database.read, settings), datetime.now(UTC))
        findings += await _seeds(settings, database)
    return [*findings, *_settings(settings), *misspelt_settings(), *_files(settings)]


async def examine_providers(settings: Settings, providers: Sequence[Provider]) -> list[Finding]:
    """Ask each provider for its discovery document, all at once, and return a finding for each, within seconds."""
    outbound = Outbound(allow_loopback_http=not settings.is_production)
    try:
        return list(await asyncio.gather(*(_provider(outbound, provider) for provider in providers)))
    finally:
        await outbound.close()


async def _provider(outbound: Outbound, provider: Provider) -> Finding:
    name, url = f"provider {provider.name}", discovery_url(provider)
    try:
        await fetch_metadata(outbound, provider)
    except ProviderUnavailable as failure:
        return Finding(
            "advice",
            f"{name}: {url} does not answer ({failure.reason}). Nobody signs in there until this machine gets it",
        )
    except ProviderFailed as failure:
        cause = failure.__cause__ or failure.reason
        return Finding("fault", f"{name}: {url} cannot be used ({cause}). Is the issuer right, letter for letter?")
    return Finding("ok", f"{name}: its discovery document can be had, and speaks for its issuer")


async def _database(database: Database, expected: Revisions) -> Finding:
    try:
        await check_readiness(database, expected)
    except NotReady as error:
        checks: dict[str, str] = dict(error.members["checks"])  # type: ignore[call-overload]  # members are any values
        states = ", ".join(f"{name} {state}" for name, state in checks.items())
        return Finding("fault", f"{states}. Is DATABASE_URL right, the server running, and `ostiary migrate` done?")
    return Finding("ok", f"database: {database.url.get_backend_name()} answers, and its schema is current")


async def _administrator(database: Database) -> Finding:
    if await has_administrator(database.read):
        return Finding("ok", "administrator: there is one")
    return Finding("advice", "administrator: there is none. Use `ostiary users create-admin` or the link at start")


def _signing_keys(keys: Sequence[HeldKey], now: datetime) -> Iterator[Finding]:
    for key in keys:
        if key.is_broken:
            yield Finding(
                "fault",
                f"signing key {key.dates.kid}: no secret opens it, so tokens that it signed are refused. Add the former "
                f"SECRET_KEY to SECRET_KEY_PREVIOUS, or give the key up: ostiary keys retire {key.dates.kid}",
                "V13.3.1",
            )
        if key.is_outdated:
            yield Finding(
                "advice",
                f"signing key {key.dates.kid} is sealed under a former secret. A running server seals it anew within a "
                "minute; leave SECRET_KEY_PREVIOUS as it is until then",
            )
    current = timetable(keys).current(now)
    if current:
        yield Finding("ok", f"signing key {current.kid} ({current.algorithm}) signs")


async def _seeds(settings: Settings, database: Database) -> list[Finding]:
    counts = await count_seeds(database.read, SeedSeals.of(settings))
    findings = []
    if counts.unreadable:
        findings.append(
            Finding(
                "fault",
                f"seeds of authenticator apps: no secret opens {counts.unreadable}, so the codes of these apps are refused. "
                "Add the former SECRET_KEY to SECRET_KEY_PREVIOUS, or reset the second factors of their users",
                "V13.3.1",
            )
        )
    if counts.outdated:
        findings.append(
            Finding(
                "advice",
                f"seeds of authenticator apps: {counts.outdated} still need a former secret. A running server seals them "
                "anew within minutes; leave SECRET_KEY_PREVIOUS as it is until then",
            )
        )
    return findings or [Finding("ok", "seeds of authenticator apps: none needs a former secret")]


def _settings(settings: Settings) -> Iterator[Finding]:
    if settings.GOOGLE_CLIENT_ID and not (settings.GOOGLE_ISSUER or settings.GOOGLE_CLIENT_ID.endswith(_GOOGLE_CLIENT)):
        yield Finding("advice", f"GOOGLE_CLIENT_ID does not end in {_GOOGLE_CLIENT}, as Google's do. Copy it once more")
    if is_network_address(own_domain(settings.PUBLIC_URL)):
        yield Finding(
            "advice",
            "PUBLIC_URL is a network address, and browsers make no passkeys there. Give this server a name before anybody "
            "wants one",
        )
    if not settings.is_production:
        yield Finding("advice", "ENVIRONMENT is development. Set it to production before others can reach this")
        return
    yield Finding("ok", "ENVIRONMENT is production")
    if settings.ALGORITHM == "HS256":
        yield Finding(
            "advice",
            "ALGORITHM is HS256: SECRET_KEY alone makes access tokens, and nobody else can check them. Use ES256",
        )
    if settings.docs_enabled:
        yield Finding("advice", "DOCS_ENABLED: the API document is public. Switch it off unless you mean it", "V13.4.5")
    if database_is_embedded(settings):
        yield Finding("advice", "DATABASE_URL is SQLite: one machine, one writer. PostgreSQL is meant for production")
    yield from hashing_memory(HUGE_PAGES)
    if not settings.TRUSTED_PROXIES:
        # It speaks http and users speak https to it, so something stands in between.
        yield Finding(
            "fault",
            "TRUSTED_PROXIES is empty: every client seems to be your proxy, so that one who tries too often locks out "
            "all others. List the addresses from which your proxies connect",
            "V4.1.3",
        )
    if not settings.SMTP_HOST:
        yield Finding(
            "advice", "SMTP_HOST is empty: no mail is sent, so nobody who forgot their password gets in again"
        )
    if settings.PASSWORD_MIN_LENGTH < ADVISED_PASSWORD_LENGTH:
        yield Finding(
            "advice",
            f"PASSWORD_MIN_LENGTH is below {ADVISED_PASSWORD_LENGTH}, NIST's advice where no second factor guards",
            "V6.2.1",
        )


def database_is_embedded(settings: Settings) -> bool:
    """Whether the database is a file of this machine."""
    return settings.DATABASE_URL.get_secret_value().startswith("sqlite")


def misspelt_settings() -> Iterator[Finding]:
    """Names that look like a setting and are none: a typing error would otherwise be silent."""
    known = list(Settings.model_fields)
    for name in sorted({*os.environ, *dotenv_values(".env")} - set(known)):
        meant = difflib.get_close_matches(name.removesuffix("_FILE"), known, n=1, cutoff=0.85)
        if meant and name.removesuffix("_FILE") not in known:
            yield Finding("fault", f"{name} is no setting. Did you mean {meant[0]}?", "V13.4.2")


def _files(settings: Settings) -> Iterator[Finding]:
    names = [".env"]
    if database_is_embedded(settings):
        names.append(settings.DATABASE_URL.get_secret_value().partition("///")[2].partition("?")[0])
    for name in names:
        if name and Path(name).is_file() and Path(name).stat().st_mode & 0o077:
            yield Finding(
                "fault", f"{name} can be read by other users of this machine. Run: chmod 600 {name}", "V13.3.1"
            )


def hashing_memory(switch: Path) -> Iterator[Finding]:
    """Yield advice where the kernel gives no large pages, with which a password is hashed about twice as fast."""
    try:
        modes = switch.read_text()
    except OSError:  # Not Linux, or hidden by a sandbox.
        return
    if "[always]" not in modes:
        yield Finding(
            "advice",
            "transparent huge pages are not `always` on this machine. Where they are, hashing a password took half of the "
            "time. It concerns every program of the host and takes more memory; some databases advise against it (Redis "
            f"does). To try it until the next start of the machine, as root of the host: echo always > {switch}",
        )
