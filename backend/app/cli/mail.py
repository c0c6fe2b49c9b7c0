"""`ostiary mail …`."""

import asyncio
import secrets
from datetime import UTC, datetime
from enum import StrEnum

import typer

from app.auth.emails import EmailInvalid
from app.config import ConfigurationError, Settings
from app.logs import configure_logging
from app.mail.composing import compose, message_domain
from app.mail.locales import known_locales, with_parent
from app.mail.messages import Message, Recipient, TestMail
from app.mail.rendering import Rendered, render
from app.mail.samples import check_templates, find_sample, sample_names
from app.mail.smtp import Postman
from app.mail.transport import Failure, WayOut, way_out

cli = typer.Typer(help="Mail: what it looks like, and whether it leaves.", no_args_is_help=True)


class Part(StrEnum):
    """A part of a mail."""

    SUBJECT = "subject"
    TEXT = "text"
    HTML = "html"


@cli.command("preview")
def preview(
    kind: str = typer.Argument("", help="Which mail; without it, all names are listed."),
    locale: str = typer.Option(None, help="The language, such as de; DEFAULT_LOCALE otherwise."),
    part: Part = typer.Option(None, help="That part alone, as it is: --part html > preview.html"),
) -> None:
    """Print a mail as it would be sent, with made-up content."""
    settings = Settings.load()
    check_templates(settings)
    if not kind:
        typer.echo("\n".join(sample_names(settings)))
        return
    sample = find_sample(settings, kind, locale)
    if sample is None:
        raise typer.BadParameter(f"there are: {', '.join(sample_names(settings))}", param_hint="KIND")
    rendered = render(settings, sample)
    if locale and rendered.locale not in with_parent(locale):
        _say_language(settings, locale, rendered)
    typer.echo(_shown(rendered, part), nl=part is not Part.TEXT)


@cli.command("test")
def send_test(address: str = typer.Argument(..., help="Where to send it.")) -> None:
    """Send a mail at once, and say what the server answers. The outbox is not used."""
    settings = Settings.load()
    configure_logging(settings)
    if way_out(settings) is not WayOut.SMTP:
        raise ConfigurationError(["SMTP_HOST: is not set, so no mail leaves. Set it, and MAIL_FROM"])
    try:
        asyncio.run(_send(settings, TestMail(to=Recipient(address=address))))
    except EmailInvalid:
        raise typer.BadParameter("this is not an address that mail can be sent to", param_hint="ADDRESS") from None
    except Failure as failure:
        typer.echo(f"{settings.SMTP_HOST} did not take it. {failure.cause}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{settings.SMTP_HOST} has taken it. Look for it, also among the junk.", err=True)


def _shown(rendered: Rendered, part: Part | None) -> str:
    if part is not None:
        return str(getattr(rendered, part.value))
    return f"Subject: {rendered.subject}\n\n{rendered.text}\n{rendered.html}"


def _say_language(settings: Settings, locale: str, rendered: Rendered) -> None:
    """Say that a mail is not in the language that was asked for. Raises `BadParameter` for one that there is none in."""
    known = known_locales(settings)
    if not set(with_parent(locale)) & set(known):
        raise typer.BadParameter(f"there are: {', '.join(known)}", param_hint="--locale")
    typer.echo(f"This mail is not translated: it comes in {rendered.locale}.", err=True)


async def _send(settings: Settings, message: Message) -> None:
    """Send a mail. Raises `EmailInvalid` or `Failure`."""
    envelope = compose(
        settings,
        render(settings, message),
        to=message.to.address,
        message_id=f"{secrets.token_hex(16)}@{message_domain(settings)}",
        at=datetime.now(UTC),
    )
    async with Postman(settings) as postman:
        await postman.deliver(envelope)
