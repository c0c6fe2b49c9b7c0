"""Passkeys and other second factors as people use them: a real Chromium with an authenticator of its own, the real server, and
the page `/dev/factors`.

Chromium's virtual authenticator does what a device does, without a person in front of it: a page that offers passkeys in the list of a
field signs in at once where the device holds one. So the list is offered in one journey, and in the others it is as in a browser
that has none.
"""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from playwright.async_api import CDPSession, Page, expect
from sqlalchemy import select, update

from app.auth.identifiers import new_id
from app.database import Database
from app.models import AuditEvent, Outcome, Session, User
from tests.accounts import API, CLIENT, PASSWORD
from tests.browser import Browsers
from tests.conftest import settings_for
from tests.factors import code_of, wrong_code_of
from tests.journeys.server import REPOSITORY, Server, running

pytestmark = pytest.mark.only("sqlite")

PATH = "/dev/factors"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
NO_LIST = "PublicKeyCredential.isConditionalMediationAvailable = async () => false;"
ASK_FOR_LESS = """() => {
  const parse = PublicKeyCredential.parseRequestOptionsFromJSON;
  PublicKeyCredential.parseRequestOptionsFromJSON = (options) => parse({ ...options, userVerification: "discouraged" });
}"""
DOCUMENTATION = (REPOSITORY / "docs" / "concepts" / "second-factors.md").read_text(encoding="utf-8")
SYNCED = {"defaultBackupEligibility": True, "defaultBackupState": True}


@dataclass(frozen=True)
class Installation:
    """One server for every journey here: its people do not know each other."""

    server: Server
    database: Database

    @property
    def page(self) -> str:
        """Where the page can use passkeys, though the server calls itself by its network address."""
        return self.server.url.replace("127.0.0.1", "localhost") + PATH


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    folder = tmp_path_factory.mktemp("passkeys")
    url = f"sqlite:///{folder}/journey.db"
    with running(folder, DATABASE_URL=url) as server:
        yield server, url


@pytest.fixture
async def there(serving: tuple[Server, str]) -> AsyncIterator[Installation]:
    server, url = serving
    database = Database(settings_for(url))
    yield Installation(server, database)
    await database.close()


@dataclass(frozen=True)
class Device:
    """What a browser keeps its passkeys in."""

    cdp: CDPSession
    id: str

    async def ask(self, command: str, **parameters: object) -> Any:
        return await self.cdp.send(f"WebAuthn.{command}", {"authenticatorId": self.id, **parameters})

    async def the_credential(self) -> Any:
        [credential] = (await self.ask("getCredentials"))["credentials"]
        return credential


@dataclass(frozen=True)
class Ada:
    """Somebody with a browser, a device, and an account of her own."""

    there: Installation
    page: Page
    device: Device
    email: str

    async def open(self) -> None:
        await self.page.goto(self.there.page)

    async def sign_in(self) -> None:
        """Type address and password."""
        await self.page.get_by_label("E-mail address").fill(self.email)
        await self.page.locator("#secret").fill(PASSWORD)
        await self.page.keyboard.press("Enter")

    async def is_signed_in(self) -> None:
        await expect(self.page.locator("#who")).to_contain_text(self.email)

    async def sign_out(self) -> None:
        await self.press("Sign out")
        await self.may_sign_in()

    async def may_sign_in(self) -> None:
        await expect(self.page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()

    async def press(self, name: str) -> None:
        """Press a button by keyboard."""
        await self.page.get_by_role("button", name=name, exact=True).press("Enter")

    async def says(self, text: str, *, role: Any = "status") -> None:
        await expect(self.page.locator(f"main > [role={role}]")).to_contain_text(text)

    async def is_asked_for(self, *buttons: str) -> None:
        """See that one more proof is wanted, and by which buttons it can be given."""
        await expect(self.page.get_by_role("heading", name="One more proof")).to_be_visible()
        shown = self.page.locator('[data-proofs="further"] button:visible')
        await expect(shown).to_have_text(list(buttons))

    async def keep_codes(self) -> list[str]:
        """Write down the recovery codes that are shown."""
        codes = self.page.locator("#codes code")
        await expect(codes).to_have_count(10)
        written = await codes.all_inner_texts()
        await self.press("I have kept them")
        await self.is_signed_in()
        await expect(codes).to_have_count(0)
        return written

    async def add_passkey(self) -> list[str]:
        await self.press("Add a passkey")
        return await self.keep_codes()

    async def add_app(self, *, opened: bool = False) -> str:
        """Add the app that the page offers, and return what it holds."""
        if not opened:
            await self.press("Add an app")
        await expect(self.page.locator("#typed")).not_to_be_empty()
        secret = await self.page.locator("#typed").inner_text()
        assert await self.page.locator("#qr").evaluate("picture => picture.decode().then(() => picture.naturalWidth)")
        await self.page.get_by_label("Code that the app shows").fill(code_of(secret))
        await self.page.keyboard.press("Enter")
        return secret

    async def is_refused(self, code: str, browsers: Browsers) -> None:
        """Read that a passkey is not taken; the answer was 403 and says no more."""
        await self.says(code, role="alert")
        [complaint] = browsers.take_complaints()
        assert "403" in complaint

    async def refusals(self) -> set[tuple[str, str | None]]:
        """Return what the server has refused last, and why: the audit log knows, and whoever asked does not."""
        refused = select(AuditEvent).where(AuditEvent.outcome == Outcome.REFUSED.value).order_by(AuditEvent.id.desc())
        newest, *others = await self.there.database.read.entities(refused.limit(5))
        return {(e.kind, e.cause) for e in (newest, *others) if e.request_id == newest.request_id}

    async def methods(self) -> list[str]:
        """Return how the newest session of hers has been proved."""
        mine = select(Session).join(User, User.id == Session.user_id).where(User.email == self.email)
        newest, *_ = await self.there.database.read.entities(mine.order_by(Session.id.desc()).limit(1))
        return list(newest.methods.split())


async def add_device(cdp: CDPSession, **options: object) -> Device:
    added = await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, **options}})
    return Device(cdp, added["authenticatorId"])


async def open_browser(there: Installation, browsers: Browsers, *, has_list: bool = False, **device: object) -> Ada:
    """Return somebody with a browser and a device, and no account yet."""
    page = await browsers.open()
    if not has_list:
        await page.add_init_script(NO_LIST)
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("WebAuthn.enable", {"enableUI": False})
    return Ada(there, page, await add_device(cdp, **device), f"ada-{new_id().hex}@gmail.com")


async def make_ada(there: Installation, browsers: Browsers, *, has_list: bool = False, **device: object) -> Ada:
    """Return somebody who is signed in with a password, on a page that can use passkeys."""
    ada = await open_browser(there, browsers, has_list=has_list, **device)
    body = {"email": ada.email, "password": PASSWORD}
    registered = httpx2.post(f"{there.server.url}{API}/auth/register", json=body)
    assert registered.status_code == 201, registered.text
    await ada.open()
    await ada.sign_in()
    await ada.is_signed_in()
    return ada


async def test_a_passkey_is_made_and_signs_in_without_an_address(there: Installation, browsers: Browsers) -> None:
    """WA-10, WA-14, WA-15: one that has verified its user is two factors, and a device makes no second one of an account."""
    ada = await make_ada(there, browsers, **SYNCED)
    await ada.add_passkey()
    assert (await ada.device.the_credential())["isResidentCredential"]
    await ada.sign_out()
    await ada.press("Sign in with a passkey")
    await ada.is_signed_in()
    assert await ada.methods() == ["swk", "uv", "mfa"]
    await ada.press("Add a passkey")
    await ada.says("This device holds a passkey of this account already", role="alert")
    await ada.page.get_by_label("Name", exact=True).fill("Desk <b>")
    await ada.press("Rename")
    await ada.says("Renamed.")
    await expect(ada.page.get_by_role("button", name="Remove Desk <b>")).to_be_visible()


async def test_a_passkey_signs_in_out_of_the_list_of_the_field(there: Installation, browsers: Browsers) -> None:
    """WA-15: conditional UI. The page has begun a ceremony before anybody did anything."""
    ada = await make_ada(there, browsers, has_list=True)
    await ada.add_passkey()
    async with ada.page.expect_response(f"**{API}/auth/passkey?transport=cookie"):
        await ada.press("Sign out")
    await ada.is_signed_in()
    assert await ada.methods() == ["hwk", "uv", "mfa"]


async def test_a_passkey_is_the_second_factor_after_a_password(there: Installation, browsers: Browsers) -> None:
    """3.5-03, WA-16: the pending sign-in stands in a cookie and survives a reload; a browser that is remembered is not asked again."""
    ada = await make_ada(there, browsers)
    codes = await ada.add_passkey()
    await ada.sign_out()
    await ada.sign_in()
    await ada.is_asked_for("Use a passkey", "Use recovery code")
    await ada.page.reload()
    await ada.is_asked_for("Use a passkey", "Use recovery code")
    await ada.page.get_by_label("Do not ask this browser again").check()
    await ada.press("Use a passkey")
    await ada.is_signed_in()
    assert await ada.methods() == ["pwd", "hwk", "uv", "mfa"]
    await ada.sign_out()
    await ada.sign_in()
    await ada.is_signed_in()
    await ada.press("Forget them all")
    # The password alone is no fresh proof of an account with a second factor, nor is it for removing one.
    await ada.says("Every browser is asked again.")
    await ada.press("Remove This device")
    dialog = ada.page.get_by_role("dialog")
    await expect(dialog.get_by_role("button")).to_have_text(["Use a passkey", "Use recovery code", "Cancel"])
    await dialog.get_by_label("Recovery code").fill(codes[0])
    await ada.page.keyboard.press("Enter")
    await ada.says("Removed.")
    assert len(browsers.take_complaints()) == 2  # Asked for more, and for a fresh proof.


async def test_a_passkey_that_has_not_verified_its_user_is_one_factor(there: Installation, browsers: Browsers) -> None:
    """WA-05, 3.5-03: then the gate asks for another one, which the passkey itself is not."""
    ada = await make_ada(there, browsers)
    await ada.add_passkey()
    await ada.sign_out()
    # Where the device can verify its user and they do not let it, the browser gives no answer.
    await ada.device.ask("setUserVerified", isUserVerified=False)
    await ada.press("Sign in with a passkey")
    await ada.says("No passkey was used.", role="alert")
    # A page that asks for less than the server wished: the server looks at what was done.
    await ada.page.evaluate(ASK_FOR_LESS)
    await ada.press("Sign in with a passkey")
    await ada.is_asked_for("Use recovery code", "Send password")
    await ada.page.locator("#further-password").fill(PASSWORD)
    await ada.page.keyboard.press("Enter")
    await ada.is_signed_in()
    assert await ada.methods() == ["hwk", "pwd", "mfa"]
    assert len(browsers.take_complaints()) == 1


async def test_a_copy_of_a_passkey_another_kind_and_a_removed_one_are_refused(
    there: Installation, browsers: Browsers
) -> None:
    """WA-06, WA-10, WA-12: the answer is one, whatever the reason."""
    ada = await make_ada(there, browsers)
    await ada.add_passkey()
    await ada.sign_out()
    await ada.press("Sign in with a passkey")
    await ada.is_signed_in()
    await ada.sign_out()
    # A copy from before the last use.
    held = await ada.device.the_credential()
    await put(ada.device, {**held, "signCount": held["signCount"] - 1})
    await ada.press("Sign in with a passkey")
    await ada.is_refused("PASSKEY_REFUSED", browsers)
    assert await ada.refusals() == {("passkey.counter_fell", "counter"), ("sign_in.failed", "counter")}
    # The device says of a passkey that was bound to it that others may share it.
    await put(ada.device, {**held, "signCount": held["signCount"] + 10})
    await ada.device.ask(
        "setCredentialProperties", credentialId=held["credentialId"], backupEligibility=True, backupState=True
    )
    await ada.press("Sign in with a passkey")
    await ada.is_refused("PASSKEY_REFUSED", browsers)
    assert await ada.refusals() == {("sign_in.failed", "backup_flags")}
    await ada.device.ask(
        "setCredentialProperties", credentialId=held["credentialId"], backupEligibility=False, backupState=False
    )
    await ada.press("Sign in with a passkey")
    await ada.is_signed_in()
    await ada.press("Remove This device")
    await ada.says("Removed.")
    assert await ada.device.the_credential()  # The device knows nothing of it.
    await ada.sign_out()
    await ada.press("Sign in with a passkey")
    await ada.is_refused("PASSKEY_REFUSED", browsers)
    assert await ada.refusals() == {("sign_in.failed", "credential_id")}


async def put(device: Device, credential: dict[str, Any]) -> None:
    """Let a device hold this in place of what it holds of it."""
    await device.ask("removeCredential", credentialId=credential["credentialId"])
    await device.ask("addCredential", credential=credential)


async def test_an_app_is_added_and_asked_for_and_enrolment_is_forced(there: Installation, browsers: Browsers) -> None:
    """TO-06, SE-04: codes are shown once, and typed in whatever case; without its last factor an account is asked for none."""
    ada = await make_ada(there, browsers)
    await ada.add_app()
    codes = await ada.keep_codes()
    await ada.sign_out()
    await ada.sign_in()
    await ada.is_asked_for("Send code", "Use recovery code")
    await ada.page.locator("#further-recovery").fill(codes[3].upper())
    await ada.page.keyboard.press("Enter")
    await ada.is_signed_in()
    await expect(ada.page.locator("#codes-left")).to_have_text("9 left")
    await ada.press("Remove the app")
    await ada.says("The app is removed.")
    await ada.sign_out()
    async with there.database.begin(CLIENT) as work:
        await work.db.execute(update(User).where(User.email == ada.email).values(must_enrol_factor=True))
    await ada.sign_in()
    await expect(ada.page.locator("#must")).to_be_visible()
    await ada.add_app(opened=True)
    await ada.keep_codes()
    assert len(browsers.take_complaints()) == 2


async def test_a_sign_in_with_google_goes_on_with_the_app(there: Installation, browsers: Browsers) -> None:
    """3.5-03: the callback sends the browser back without a session; the page there asks what is lacking."""
    ada = await open_browser(there, browsers)
    await go_to_google(ada)
    await ada.page.get_by_label("E-mail address").fill(ada.email)
    await ada.page.get_by_label("Name", exact=True).fill("Ada")
    await ada.page.keyboard.press("Enter")
    await ada.page.get_by_role("button", name="Allow").press("Enter")
    await expect(ada.page).to_have_url(re.compile("/docs"))
    await ada.page.goto(f"{there.server.url}{PATH}")
    await ada.is_signed_in()
    await ada.add_app()
    codes = await ada.keep_codes()
    await ada.sign_out()
    await go_to_google(ada)
    await ada.page.get_by_role("button", name="Ada").press("Enter")
    await ada.page.get_by_role("button", name="Allow").press("Enter")
    await expect(ada.page).to_have_url(re.compile(r"/docs\?error=SECOND_FACTOR_REQUIRED"))
    await ada.page.goto(f"{there.server.url}{PATH}")
    await ada.is_asked_for("Send code", "Use recovery code")
    await ada.page.locator("#further-recovery").fill(codes[0])
    await ada.page.keyboard.press("Enter")
    await ada.is_signed_in()
    assert await ada.methods() == ["fed", "recovery", "mfa"]


async def go_to_google(ada: Ada) -> None:
    """Begin a sign-in at the offline Google, which ends on whichever page; this one is no front end."""
    url = ada.there.server.url
    await ada.page.goto(f"{url}{API}/auth/google/login?transport=cookie&fresh=true&return_to={url}/docs")


async def test_the_code_of_the_documentation_runs_as_it_is(there: Installation, browsers: Browsers) -> None:
    """Pasted together, its blocks are a client: every ceremony of docs/concepts/second-factors.md, on a page of ours."""
    ada = await make_ada(there, browsers)
    blocks = re.findall(r"^```js\n(.*?)^```", DOCUMENTATION, re.DOTALL | re.MULTILINE)
    code = "\n".join(blocks).replace("https://accounts.example.com", there.page.removesuffix(PATH))
    names = re.findall(r"^(?:async )?(?:function|const) (\w+)", code, re.MULTILINE)
    await ada.page.evaluate(f"() => {{ {code}; Object.assign(window, {{ {', '.join(names)} }}); }}")
    run = ada.page.evaluate
    lacking = {"stage": "second_factor", "factors": ["totp", "passkey", "recovery_code"]}
    added = await run("addPasskey('Desk')")
    assert len(added["recovery_codes"]) == 10
    assert (await run(f"renamePasskey('{added['passkey']['id']}', 'Shelf')"))["name"] == "Shelf"
    secret = (await run("addApp()"))["secret"]
    assert (await run(f"confirmApp('{code_of(secret)}')"))["recovery_codes"] is None
    await run("call('POST', '/auth/logout')")
    asked = await run("([name, password]) => signIn(name, password)", [ada.email, PASSWORD])
    assert {member: asked[member] for member in lacking} == lacking
    assert await run("whatIsLacking()") == lacking
    assert (
        await run(f"finishWithCode('totp', '{wrong_code_of(secret)}', false).catch(({{ code }}) => code)")
        == "SECOND_FACTOR_WRONG"
    )
    await run("finishWithPasskey(true)")
    assert await run("([name, password]) => signIn(name, password)", [ada.email, PASSWORD]) is None  # Remembered.
    assert await run("newRecoveryCodes().catch(({ methods }) => methods)") == ["totp", "passkey", "recovery_code"]
    await run(f"proveWithCode('recovery_code', '{added['recovery_codes'][0]}')")
    assert len((await run("newRecoveryCodes()"))["recovery_codes"]) == 10
    await run("forgetBrowsers()")
    await run("proveWithPasskey()")
    await run("call('POST', '/auth/logout')")
    await run("signInWithPasskey()")
    await run("call('POST', '/auth/logout')")
    await run("PublicKeyCredential.isConditionalMediationAvailable = async () => true")
    await run("offerPasskeysInTheField(new AbortController().signal)")
    await run("removeApp()")
    await run(f"removePasskey('{added['passkey']['id']}')")
    assert await run("call('GET', '/auth/me/factors').then(({ recovery_codes_left }) => recovery_codes_left)") == 0
    async with there.database.begin(CLIENT) as work:
        await work.db.execute(update(User).where(User.email == ada.email).values(must_enrol_factor=True))
    asked = await run("([name, password]) => signIn(name, password)", [ada.email, PASSWORD])
    assert asked["stage"] == "enrolment"
    offered = await run("offerApp(document.getElementById('qr'))")
    codes = await run(f"confirmOfferedApp('{code_of(offered['secret'])}')")
    assert len(codes) == 10
    browsers.take_complaints()  # Of every answer above that refused.
