"""Who it is that signs in: one of those whom the browser remembers, or somebody who has just been made up."""

from collections.abc import Mapping
from datetime import datetime

from app.offline.parameters import AuthorizationRequest, Unreadable
from app.offline.people import PersonRefused, read_person
from app.offline.provider import Pending, SignedIn, is_too_long_ago


def choose(pending: Pending, form: Mapping[str, str], *, now: datetime) -> SignedIn:
    """Return who was chosen. Raises `PersonRefused` for somebody that nobody can be, `Unreadable` for a stranger.

    Who was signed in already has been so since then, unless the application asked for a new sign-in.
    """
    wanted, browser = pending.request, pending.browser
    if "subject" in form:
        known = browser.people.get(form["subject"])
        if known is None or not known.person.belongs_to(wanted.hosted_domain):
            raise Unreadable("This person is not signed in here. Start again in the application")
        again = "login" in wanted.prompts or is_too_long_ago(wanted, known, now=now)
        return browser.sign_in(known.person, now=now) if again else known
    person = read_person(form)
    if not person.belongs_to(wanted.hosted_domain):
        raise PersonRefused({"hosted_domain": "the application asks for people of a Workspace domain"})
    return browser.sign_in(person, now=now)


def suggested_person(wanted: AuthorizationRequest) -> dict[str, str]:
    """Return what the form for a new person begins with: what the application hints at, or Grace, for one click."""
    hinted = wanted.login_hint if wanted.login_hint and "@" in wanted.login_hint else None
    domain = wanted.hosted_domain if wanted.hosted_domain not in {None, "*"} else None
    # Not ada@example.com: README registers her with a password, and then a sign-in with her address is refused.
    return {
        "email": hinted or f"grace@{domain or 'gmail.com'}",
        "name": "" if hinted else "Grace Hopper",
        "email_verified": "yes",
        "hosted_domain": domain or "",
    }
