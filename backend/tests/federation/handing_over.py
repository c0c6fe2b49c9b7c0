"""A page of the front end that takes the provider's answer itself, and hands it over."""

from collections.abc import Mapping

from app.offline.testing import ADA, CLIENT_ID, RunningProvider
from tests.federation.browsers import FRONT_END, Browser, parameters_of

PAGE = {"Sec-Fetch-Site": "same-site", "Origin": FRONT_END}
"""What a browser says of the front end, on another port of this host."""


async def called_page(browser: Browser, provider: str = "google") -> dict[str, str]:
    """Begin a sign-in, go through it at the provider, and return what the page of the front end is called with."""
    response = await browser.post(f"/auth/{provider}/start")
    assert response.status_code == 200, response.text
    address = await browser.visitor.sign_in(response.json()["authorization_url"], ADA)
    assert address.startswith(f"{FRONT_END}/auth/callback{'' if provider == 'google' else '/' + provider}?")
    return parameters_of(address)


def answer_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what the page hands over."""
    return {name: parameters[name] for name in ("state", "code", "iss", "error") if name in parameters}


async def credential_of(browser: Browser, google: RunningProvider, client_id: str = CLIENT_ID) -> dict[str, str]:
    """Get a nonce, and an ID token for it as One Tap does. Ada is signed in at the provider already."""
    response = await browser.post("/auth/google/nonce")
    assert response.status_code == 200, response.text
    begun = response.json()
    assert begun["client_id"] == CLIENT_ID
    return {"credential": await _one_tap(browser, google, begun["nonce"], client_id), "nonce": begun["nonce"]}


async def _one_tap(browser: Browser, google: RunningProvider, nonce: str, client_id: str = CLIENT_ID) -> str:
    form = {"client_id": client_id, "nonce": nonce}
    response = await browser.visitor.http.post(f"{google.issuer}/id-token", data=form)
    assert response.status_code == 200, response.text
    credential: str = response.json()["credential"]
    return credential
