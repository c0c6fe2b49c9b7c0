"""One example of every mail: for previews, and to try templates before anybody waits for what they make."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from jinja2 import TemplateError

from app.auth.second_factors import Factor
from app.config import ConfigurationError, Settings
from app.mail.links import page_link
from app.mail.locales import known_locales
from app.mail.messages import (
    AddressChangeNotice,
    AlreadyRegistered,
    ConfirmNewAddress,
    Invitation,
    MaskedAddress,
    Message,
    NoticeEvent,
    Recipient,
    ResetPassword,
    SecurityNotice,
    SignInCode,
    TestMail,
    VerifyAddress,
)
from app.mail.rendering import render

_CODE = "48151623"
_TOKEN = "sample-of-a-token"
_DEVICE = "Firefox on Linux"
_NAME = "Ada Lovelace"
_OPEN = {
    NoticeEvent.IDENTITY_LINKED: "Google",
    NoticeEvent.IDENTITY_UNLINKED: "Google",
    NoticeEvent.FACTOR_ADDED: "My phone",
    NoticeEvent.PASSKEY_COPIED: "My phone",
    NoticeEvent.RECOVERY_CODE_USED: "7",
    NoticeEvent.RECOVERY_CODES_LOW: "2",
}
"""What an event leaves open."""
_FACTORS = {NoticeEvent.FACTOR_ADDED: Factor.PASSKEY, NoticeEvent.FACTOR_REMOVED: Factor.TOTP}


def samples(settings: Settings, locale: str | None = None) -> Iterator[Message]:
    """Yield an example of every mail, in one language: of each kind at least one, and one of each event."""
    to = Recipient(address="ada@example.com", locale=locale, name=_NAME)
    link = page_link(settings, "/mail/sample", token=_TOKEN)
    # As long as these mails count (`services/mailed/`, which stands above this layer).
    hour, minutes, veto = timedelta(hours=1), timedelta(minutes=10), timedelta(hours=72)
    yield VerifyAddress(to=to, link=link, code=_CODE, valid_for=24 * hour)
    yield AlreadyRegistered(to=to, sign_in=page_link(settings, "/sign-in"), reset=page_link(settings, "/mail/forgot"))
    yield ResetPassword(to=to, link=link, code=_CODE, valid_for=timedelta(minutes=30))
    yield ConfirmNewAddress(to=to, link=link, code=_CODE, valid_for=hour)
    yield AddressChangeNotice(to=to, new_address=MaskedAddress.of("lovelace@example.org"), veto=link, valid_for=veto)
    yield SignInCode(to=to, link=link, code=_CODE, device=_DEVICE, valid_for=minutes)
    yield SignInCode(to=to, link=None, code=_CODE, device=None, valid_for=minutes)
    yield Invitation(to=to, inviter="Charles Babbage", link=link, valid_for=timedelta(days=7))
    yield Invitation(to=to, inviter=None, link=link, valid_for=timedelta(days=7))
    yield from (_notice(to, settings, event) for event in NoticeEvent)
    yield TestMail(to=to)


def find_sample(settings: Settings, kind: str, locale: str | None = None) -> Message | None:
    """Return an example of a kind of mail, or of the event of a security notice: `reset_password`, `factor_added`."""
    named = {getattr(sample, "event", sample.kind): sample for sample in reversed([*samples(settings, locale)])}
    return named.get("new_device" if kind == SecurityNotice.kind else kind)


def sample_names(settings: Settings) -> list[str]:
    """Return what `find_sample` knows, in the order of the types."""
    return list(dict.fromkeys(str(getattr(sample, "event", sample.kind)) for sample in samples(settings)))


def check_templates(settings: Settings) -> None:
    """Try every template of the installation's own in every language.

    Raises `ConfigurationError` that names each mail that cannot be written, and a language that there is none for.
    """
    findings = []
    for locale in known_locales(settings) if settings.MAIL_TEMPLATES else ():
        for sample in samples(settings, locale):
            try:
                render(settings, sample)
            except (TemplateError, ValueError, TypeError, AttributeError, ArithmeticError, LookupError) as error:
                findings.append(
                    f"MAIL_TEMPLATES: {locale}/{sample.kind} cannot be used: {type(error).__name__}: {error}"
                )
    if settings.DEFAULT_LOCALE not in known_locales(settings):
        findings.append(
            f"DEFAULT_LOCALE: there are no templates in it. There are: {', '.join(known_locales(settings))}"
        )
    if findings:
        raise ConfigurationError(list(dict.fromkeys(findings)))


def _notice(to: Recipient, settings: Settings, event: NoticeEvent) -> SecurityNotice:
    return SecurityNotice(
        to=to,
        event=event,
        at=datetime(2026, 11, 23, 6, 30, tzinfo=UTC),
        device=_DEVICE,
        client_address="203.0.113.7",
        what=_OPEN.get(event),
        factor=_FACTORS.get(event),
        undo=None if event is NoticeEvent.SESSION_STOLEN else page_link(settings, "/mail/undo", token=_TOKEN),
        valid_for=timedelta(hours=72),
    )
