"""For whom passkeys are made, and which pages may use them, as the settings say."""

import httpx2
import pytest

from app.config import Settings
from app.runtime import Runtime
from app.services.passkeys.party import relying_party
from tests.accounts import Accounts
from tests.answers import problem_of
from tests.authenticator import Authenticator, Quirks
from tests.configuring import load
from tests.factors import add_passkey, sign_in_with_passkey, with_passkey
from tests.passkeys.asking import PASSKEYS, asked_to_register, asked_to_sign_in, sign_in

APP = "android:apk-key-hash:2jmj7l5rSw0yVb_vlWAYkK_YBwk7XKmTNTS2xSTLZ6E"
ACCOUNTS, SHOP = "https://accounts.example.com", "https://shop.example.com"


def development(**changes: object) -> Settings:
    return load(**{"ENVIRONMENT": "development", "PUBLIC_URL": None, **changes})


@pytest.mark.parametrize(
    ("changes", "rp_id", "origins"),
    [
        ({}, "accounts.example.com", [ACCOUNTS]),
        ({"PUBLIC_URL": "https://Accounts.Example.com:8443"}, "accounts.example.com", [f"{ACCOUNTS}:8443"]),
        ({"FRONTEND_URL": SHOP}, "accounts.example.com", [ACCOUNTS]),
        ({"FRONTEND_URL": "https://app.accounts.example.com"}, None, [ACCOUNTS, "https://app.accounts.example.com"]),
        ({"FRONTEND_URL": SHOP, "PASSKEY_RP_ID": "example.com"}, "example.com", [ACCOUNTS, SHOP]),
        ({"FRONTEND_URL": "https://badexample.com", "PASSKEY_RP_ID": "example.com"}, "example.com", [ACCOUNTS]),
        ({"FRONTEND_URL": "http://localhost:3000"}, "accounts.example.com", [ACCOUNTS]),
        ({"PASSKEY_RP_ID": "accounts.example.com"}, "accounts.example.com", [ACCOUNTS]),
        ({"PASSKEY_ORIGINS": f"{ACCOUNTS}, {APP}"}, "accounts.example.com", [ACCOUNTS, APP]),
        ({"PASSKEY_ORIGINS": APP}, "accounts.example.com", [APP]),
    ],
)
def test_a_public_installation_is_its_own_domain_unless_it_says_otherwise(
    changes: dict[str, object], rp_id: str | None, origins: list[str]
) -> None:
    """WA-03, WA-04: only pages within the domain, where alone a browser uses its passkeys; apps by their signature."""
    party = relying_party(load(**changes))
    assert (party.id, list(party.origins)) == (rp_id or "accounts.example.com", origins)


@pytest.mark.parametrize(
    ("changes", "origins"),
    [
        ({}, ["http://localhost:3000", "http://localhost:8000"]),
        ({"PUBLIC_URL": "http://127.0.0.1:9000", "FRONTEND_URL": "http://127.0.0.1:5173"}, [9000, 5173]),
        ({"PUBLIC_URL": "http://[::1]:9000", "FRONTEND_URL": "http://[::1]"}, [9000, 80]),
        ({"PUBLIC_URL": "http://localhost:9000", "FRONTEND_URL": "https://localhost:8443"}, None),
        ({"FRONTEND_URL": "http://192.168.0.7:3000"}, ["http://localhost:8000"]),
        ({"PASSKEY_RP_ID": "localhost"}, ["http://localhost:3000", "http://localhost:8000"]),
        ({"PASSKEY_ORIGINS": f"http://localhost:1234,{APP}"}, ["http://localhost:1234", APP]),
    ],
)
def test_on_this_machine_the_domain_is_localhost(changes: dict[str, object], origins: list[str | int] | None) -> None:
    """WA-03: also where PUBLIC_URL is a network address of it, which no browser takes for a domain."""
    party = relying_party(development(**changes))
    ports = {80: "http://localhost"}
    wanted = origins or ["http://localhost:9000", "https://localhost:8443"]
    expected = [each if isinstance(each, str) else ports.get(each, f"http://localhost:{each}") for each in wanted]
    assert (party.id, sorted(party.origins)) == ("localhost", sorted(expected))


def test_the_name_is_the_installation_s() -> None:
    assert relying_party(load(APP_NAME="Shop")).name == "Shop"


@pytest.mark.settings(PASSKEY_ORIGINS=["http://localhost:3000", APP])
async def test_an_app_that_is_listed_uses_passkeys_and_no_other_one_does(
    client: httpx2.AsyncClient, accounts: Accounts, runtime: Runtime
) -> None:
    """WA-03: by the hash of its signature, to the letter. A page that is not listed is none of ours, though it is here."""
    device = Authenticator(APP)
    await with_passkey(accounts, runtime, device)
    assert (await sign_in_with_passkey(client, device)).status_code == 200
    for origin in (APP[:-1] + "A", APP.lower(), "http://localhost:8000", "http://localhost:3000/", "null"):
        device.origin = APP
        begun = await asked_to_sign_in(client)
        problem_of(await sign_in(client, begun.body(device, Quirks(origin=origin))), 403, "PASSKEY_REFUSED")
    device.origin = "http://localhost:3000"
    assert (await sign_in_with_passkey(client, device)).status_code == 200


@pytest.mark.settings(
    PUBLIC_URL="http://accounts.example.com", FRONTEND_URL="http://shop.example.com", PASSKEY_RP_ID="example.com"
)
async def test_a_domain_above_serves_every_page_of_ours(client: httpx2.AsyncClient, accounts: Accounts) -> None:
    """WA-03, WA-04: made on one page, used on the other; not on a third one in the domain that is not listed."""
    ada, device = await accounts.signed_in(), Authenticator("http://accounts.example.com")
    await add_passkey(ada, device)
    device.origin = "http://shop.example.com"
    assert (await sign_in_with_passkey(client, device)).status_code == 200
    device.origin = "http://evil.example.com"
    problem_of(await sign_in_with_passkey(client, device), 403, "PASSKEY_REFUSED")
    body = (await asked_to_register(ada)).body(Authenticator("http://evil.example.com"), name="Key")
    problem_of(await ada.post(PASSKEYS, json=body), 403, "PASSKEY_REFUSED")
