"""The settings of mail: how it leaves, whom it comes from, how it is written. It reads nothing itself."""

import re
from pathlib import Path
from typing import Annotated, Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from app.provider_settings import LOOPBACK_HOSTS, is_production

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[?[0-9A-Fa-f:]{2,39}\]?", re.ASCII)
_LOCALE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$"
_LOOPBACK = {*LOOPBACK_HOSTS, "::1"}


def _check_host(value: str) -> str:
    if value and not _HOST.fullmatch(value):
        raise ValueError("is no host name. Write it like smtp.example.com, and the port into SMTP_PORT")
    return value.strip("[]").lower()


def _check_security(value: str, info: ValidationInfo) -> str:
    host = info.data.get("SMTP_HOST", "")
    if value == "none" and host and host not in _LOOPBACK and is_production(info):
        raise ValueError("is none, and SMTP_HOST is another machine: links and codes would be read on the way")
    return value


def _check_password(value: SecretStr, info: ValidationInfo) -> SecretStr:
    username, password = info.data.get("SMTP_USERNAME", ""), value.get_secret_value()
    if bool(username) != bool(password):
        raise ValueError("and SMTP_USERNAME belong together, and one of them is missing. Set both, or none")
    if password and info.data.get("SMTP_SECURITY") == "none" and info.data.get("SMTP_HOST", "") not in _LOOPBACK:
        raise ValueError("would be sent in the clear. Set SMTP_SECURITY to starttls or tls")
    return value


def _check_sender(value: str, info: ValidationInfo) -> str:
    if info.data.get("SMTP_HOST") and not value:
        raise ValueError("is missing, and SMTP_HOST is set. Write the address that mail comes from")
    return _check_address(value)


def _check_address(value: str) -> str:
    try:
        return validate_email(value, check_deliverability=False).ascii_email or "" if value else ""
    except EmailNotValidError:
        raise ValueError("is no address. Write it alone, in ASCII: accounts@example.com") from None


def _check_one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("is not one line of text")
    return value


def _check_folder(value: str) -> str:
    if value and not Path(value).is_dir():
        raise ValueError("names no folder. See docs/concepts/mail.md for what it may hold")
    return value


SmtpHost = Annotated[
    str,
    Field(
        max_length=253,
        description="The server that takes our mail. Empty: in development mail is kept for `/dev/mailbox`, in production "
        "none is sent.",
    ),
    AfterValidator(_check_host),
]
SmtpPort = Annotated[
    int, Field(ge=0, le=65535, description="Its port. 0: 587 with `starttls`, 465 with `tls`, 25 with `none`.")
]
SmtpSecurity = Annotated[
    Literal["starttls", "tls", "none"],
    Field(
        description="`tls` from the first byte, or `starttls`, without which nothing is sent; `none` to loopback only."
    ),
    AfterValidator(_check_security),
]
SmtpUsername = Annotated[str, Field(max_length=320, description="Empty: no authentication.")]
SmtpPassword = Annotated[
    SecretStr, Field(description="Of SMTP_USERNAME. Never sent without TLS."), AfterValidator(_check_password)
]
SmtpTimeout = Annotated[
    float,
    Field(
        ge=1,
        le=300,
        description="How long one answer of the server may take; six times as long once it has the whole mail, because to "
        "give up then would mean to send it twice.",
    ),
]
MailFrom = Annotated[
    str, Field(description="The address that mail comes from. Required with SMTP_HOST."), AfterValidator(_check_sender)
]
MailFromName = Annotated[
    str, Field(max_length=60, description="The name beside it; APP_NAME when empty."), AfterValidator(_check_one_line)
]
MailReplyTo = Annotated[
    str, Field(description="Where answers of people go, if not to MAIL_FROM."), AfterValidator(_check_address)
]
MailTemplates = Annotated[
    str,
    Field(
        description="A folder of your own templates, such as `en/reset_password.txt`; they go before ours. Checked at start."
    ),
    AfterValidator(_check_folder),
]
MailPerAddressPerHour = Annotated[
    int,
    Field(
        ge=1,
        le=1000,
        description="Mails of one kind that strangers can cause to one address within an hour; some kinds have a share of it.",
    ),
]
MailSignIn = Annotated[
    Literal["on", "off"],
    Field(description="Whether people can sign in with a code, or by a link, that is mailed to them."),
]
DefaultLocale = Annotated[
    str,
    Field(pattern=_LOCALE, description="The language of mail to whom no language is known of: `en`, `de`, or yours."),
]
