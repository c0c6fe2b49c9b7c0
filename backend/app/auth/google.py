"""What is special to Google as an OpenID provider: two spellings of its name, organisations, its own parameters."""

from collections.abc import Sequence

from app.auth.oidc.provider import Provider

GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
"""Both stand in ID tokens of Google, and nothing else does."""
GOOGLE_DOMAINS = ("gmail.com", "googlemail.com")
"""Where Google hands out the mailboxes. A Google account may have any other address, too, verified once."""
_SPELT_OUT = {
    "email": "https://www.googleapis.com/auth/userinfo.email",
    "profile": "https://www.googleapis.com/auth/userinfo.profile",
}
"""Google's answers name these two by their long names, whichever they were asked by."""


def google_provider(
    *,
    client_id: str,
    client_secret: str,
    other_client_ids: Sequence[str] = (),
    hosted_domain: str = "",
    issuer: str = "",
) -> Provider:
    """Return Google as a provider. Another `issuer` is somebody who plays Google; empty is Google itself.

    A `hosted_domain` narrows who may come to one Google Workspace; empty is everybody. It never says who somebody is:
    a domain may be sold, while issuer and subject stay with the person.
    """
    return Provider(
        name="google",
        issuers=GOOGLE_ISSUERS if issuer in {"", GOOGLE_ISSUERS[0]} else (issuer,),
        client_id=client_id,
        client_secret=client_secret,
        audiences=(client_id, *other_client_ids),
        hosted_domain=hosted_domain.lower() or None,
        domains=GOOGLE_DOMAINS,
        answers_for_organisations=True,
    )


def authorization_extras(
    provider: Provider,
    *,
    keep_tokens: bool = False,
    choose_account: bool = False,
    ask_again: bool = False,
    login_hint: str | None = None,
) -> dict[str, str]:
    """Return the parameters that only Google knows, for `authorization_url`.

    `keep_tokens` asks for a refresh token, which Google gives with a consent only, and for what was granted before.
    `ask_again` shows the consent in any case, so that nobody comes back without a click: Google takes neither `max_age`
    nor `prompt=login`. `hd` is a hint that spares members of other organisations a detour; the ID token is what is checked.
    """
    prompts = [
        name for name, wanted in (("select_account", choose_account), ("consent", keep_tokens or ask_again)) if wanted
    ]
    extras = {"prompt": " ".join(prompts), "hd": provider.hosted_domain or "", "login_hint": login_hint or ""}
    if keep_tokens:
        extras |= {"access_type": "offline", "include_granted_scopes": "true"}
    return {name: value for name, value in extras.items() if value}


def missing_scopes(asked: Sequence[str], granted: Sequence[str]) -> tuple[str, ...]:
    """Return what was asked and not granted, in the words of the question, each once."""
    present = {_SPELT_OUT.get(scope, scope) for scope in granted}
    return tuple(dict.fromkeys(scope for scope in asked if _SPELT_OUT.get(scope, scope) not in present))
