"""`ostiary link-check`."""

import asyncio
from enum import StrEnum

import typer

from app.auth.oidc.provider import Provider
from app.config import Settings
from app.database import Database
from app.logs import configure_logging
from app.providers import configured_providers
from app.services.federation.link_check import Forecast, SupposedComer, check_link


class YesOrNo(StrEnum):
    """An answer that must be given: neither is a good guess."""

    YES = "yes"
    NO = "no"


def link_check(  # noqa: PLR0913, PLR0917  # Each is an option of the command.
    issuer: str = typer.Option(..., help="The provider's issuer, or its name in the settings."),
    email: str = typer.Option(..., help="The address that the provider would name."),
    verified: YesOrNo = typer.Option(..., help="Whether the provider would call the address verified."),
    subject: str = typer.Option(None, help="Who it is at the provider (`sub`); somebody new otherwise."),
    hosted_domain: str = typer.Option(None, help="The organisation that Google would name (`hd`)."),
    signed_in_as: str = typer.Option(None, help="The account whose user would add the identity; otherwise a sign-in."),
) -> None:
    """Tell what would happen if somebody came from a provider now, and by which rule. Nothing is changed.

    The gates of your own modules are not asked.
    """
    settings = Settings.load()
    configure_logging(settings)
    provider = _find_provider(settings, issuer)
    comer = SupposedComer(
        provider=provider,
        subject=subject,
        email=email,
        verified=verified is YesOrNo.YES,
        hosted_domain=hosted_domain,
    )
    typer.echo(_written(asyncio.run(_check(settings, comer, signed_in_as))))


def _find_provider(settings: Settings, text: str) -> Provider:
    """Return the provider with this name or issuer. For any other text, name those there are, and exit with 1."""
    providers = configured_providers(settings)
    for provider in providers:
        if text == provider.name or text in provider.issuers:
            return provider
    there = ", ".join(f"{provider.name} ({provider.issuer})" for provider in providers) or "none"
    typer.echo(f"The settings know no provider {text!r}: nobody can come from there. There are: {there}", err=True)
    raise typer.Exit(1)


async def _check(settings: Settings, comer: SupposedComer, signed_in_as: str | None) -> Forecast:
    database = Database(settings)
    try:
        return await check_link(database.read, settings=settings, comer=comer, signed_in_as=signed_in_as)
    finally:
        await database.close()


def _written(forecast: Forecast) -> str:
    situation = forecast.situation
    lines = (
        ("action", forecast.action.value),
        ("rule", forecast.rule),
        ("why", forecast.reason),
        ("error", forecast.error_code or "none"),
        ("identity", "known" if situation.identity_known else "new"),
        *(("known with address", f"--subject {subject}") for subject in forecast.known_subjects),
        ("provider's address", situation.provider_email.value),
        ("authority", "yes" if situation.authority else "no"),
        ("account with it", situation.local.value),
        ("signed in as", situation.signed_in_as.value),
        ("gates", "not asked; one of your modules may still say no"),
    )
    return "\n".join(f"{name:<20}{value}" for name, value in lines)
