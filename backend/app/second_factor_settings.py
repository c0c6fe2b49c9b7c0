"""The settings of second factors and passkeys. It reads nothing itself."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_settings import NoDecode

from app.plausibility import base_url, host_of
from app.provider_settings import LOOPBACK_HOSTS, is_production

LOCALHOST = "localhost"

_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_APP = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")


def own_domain(public_url: str) -> str:
    """Return the domain that passkeys are for unless somebody says so. On this machine it is `localhost`.

    Browsers take no network address for one (WebAuthn, section 5.1.3); `is_network_address` tells.
    """
    host = host_of(public_url)
    return LOCALHOST if host in LOOPBACK_HOSTS else host


def is_within(host: str, domain: str) -> bool:
    """Whether a host is a domain, or lies below it."""
    return host == domain or host.endswith(f".{domain}")


def is_network_address(host: str) -> bool:
    """Whether a host, as it stands in a Host header, is no name: a browser takes it for an address if its end is a number."""
    return host.startswith("[") or host.rpartition(".")[2].isdigit()


def _check_roles(value: list[str], info: ValidationInfo) -> list[str]:
    if value and info.data.get("SECOND_FACTOR") == "off":
        raise ValueError(
            "names roles, and SECOND_FACTOR is off: nobody would be asked. Set that one to optional, or take the roles away"
        )
    return value


def _check_domain(value: str, info: ValidationInfo) -> str:
    if value and (not _DOMAIN.fullmatch(value) or is_network_address(value)):
        raise ValueError("is no domain name. Write it like accounts.example.com, without scheme and port")
    own = own_domain(info.data.get("PUBLIC_URL", ""))
    # No browser takes a top-level domain such as `com`; a machine may have a name of one word.
    if value and own and value != own and not ("." in value and is_within(own, value)):
        raise ValueError(
            "is neither the host of PUBLIC_URL nor a domain above it, so browsers would refuse every passkey. Leave it empty"
        )
    return value


def _check_origins(values: list[str], info: ValidationInfo) -> list[str]:
    pages = [value for value in values if not _APP.fullmatch(value)]
    if any(base_url(page) != page for page in pages):
        raise ValueError("holds what is no origin. Write each like https://accounts.example.com, without a path")
    said = info.data.get("PASSKEY_RP_ID")  # None: it was refused, and one finding is enough.
    domain = None if said is None else said or own_domain(info.data.get("PUBLIC_URL", ""))
    if domain and not all(is_within(host_of(page), domain) for page in pages):
        raise ValueError(
            "holds an origin outside of the domain that passkeys are for, where no browser would use one. See PASSKEY_RP_ID"
        )
    # Browsers trust `localhost` without https; for every other page they need it.
    if is_production(info) and any(page.startswith("http:") and host_of(page) != LOCALHOST for page in pages):
        raise ValueError("holds an origin that is not https. Browsers use no passkey there")
    return values


SecondFactor = Annotated[
    Literal["off", "optional", "required"],
    Field(
        description="`optional`: whoever has a second factor is asked for it. `required`: everybody has to have one. "
        "`off`: nobody is asked, and no authenticator app can be added. Passkeys sign in where they verify their user."
    ),
]
SecondFactorRoles = Annotated[
    list[str],
    NoDecode,
    AfterValidator(_check_roles),
    Field(description="Roles that have to have a second factor also where others need not: `admin,support`."),
]
RememberDeviceDays = Annotated[
    int,
    Field(
        ge=0, le=365, description="A browser that its user trusts is asked for no second factor for so long. 0: none."
    ),
]
PasskeyRpId = Annotated[
    str,
    AfterValidator(_check_domain),
    Field(
        description="The domain that passkeys are for (the RP id): the host of PUBLIC_URL, or a domain above it. Passkeys "
        "count for no other one, so it never changes. Empty: the host of PUBLIC_URL; in development `localhost`."
    ),
]
PasskeyOrigins = Annotated[
    list[str],
    NoDecode,
    AfterValidator(_check_origins),
    Field(
        description="Where pages that use passkeys come from, separated by commas; of Android apps "
        "`android:apk-key-hash:…`. Empty: PUBLIC_URL, and FRONTEND_URL if it lies in the same domain."
    ),
]
