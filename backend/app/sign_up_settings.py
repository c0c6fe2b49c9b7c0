"""The settings of who may have an account, and what they prove of their address. It reads nothing itself."""

from typing import Annotated, Literal

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_settings import NoDecode

from app.provider_settings import is_production

REQUIRED = "required"
OPTIONAL = "optional"
OFF = "off"


def _choose_verification(value: str, info: ValidationInfo) -> str:
    chosen = value or (REQUIRED if is_production(info) else OPTIONAL)
    if chosen == REQUIRED and is_production(info) and not info.data.get("SMTP_HOST"):
        raise ValueError(
            "is required, as it is in production unless you say otherwise, and SMTP_HOST is missing: nobody could prove an "
            "address. Set SMTP_HOST, or EMAIL_VERIFICATION=optional"
        )
    return chosen


def _check_domains(value: list[str]) -> list[str]:
    try:
        return sorted({_domain(entry) for entry in value})
    except EmailNotValidError:
        raise ValueError("holds an entry that is no domain of addresses. Write example.com, not @example.com") from None


def _domain(text: str) -> str:
    domain = validate_email(f"a@{text}", check_deliverability=False).ascii_domain or ""
    return domain.lower()


EmailVerification = Annotated[
    Literal["", "required", "optional", "off"],
    AfterValidator(_choose_verification),
    Field(
        description="`required`: who has not proved their address does not come in, and registering says nothing of whether "
        "there is an account. `optional`: they are asked to prove it. `off`: nobody is asked. When not set: `required` in "
        "production, `optional` in development."
    ),
]
SignUp = Annotated[
    Literal["open", "invite", "closed"],
    Field(description="Who may make an account: everybody, whoever was invited, or nobody but the `ostiary` command."),
]
SignUpDomains = Annotated[
    list[str],
    NoDecode,
    AfterValidator(_check_domains),
    Field(
        description="Only addresses of these domains may register, separated by commas; not of their sub-domains. Whoever is "
        "invited may have any address. Empty: every domain.",
    ),
]
