import re

import httpx2
import pytest

from app.offline.testing import ADA, Client, Person, RunningProvider, Visitor, request_of, sent_to
from tests.offline.flows import REDIRECT_URI, address_of
from tests.pages.html import Page

HOSTILE = "\"'><script>alert(1)</script><b>{{ 7 * 7 }}&amp;</b>"
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page_of(response: httpx2.Response, status: int = 200) -> Page:
    """Return the page of an answer, which loads nothing from elsewhere and holds no script."""
    assert response.status_code == status, response.text
    assert response.headers["content-security-policy"] == POLICY
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    page = Page(response.text)
    assert page.inline == []
    assert "script" not in page.tags
    assert "b" not in page.tags
    return page


def check_everybody_can_use_it(response: httpx2.Response) -> None:
    """Check landmarks, one heading above all, a label for every field, and the banner."""
    page = Page(response.text)
    assert (page.tags.count("main"), page.tags.count("header"), page.tags.count("h1")) == (1, 1, 1)
    assert 'lang="en"' in response.text
    assert "This is not Google. It plays Google on this machine." in " ".join(page.text.split())
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', response.text))
    fields = set(re.findall(r'<input id="([^"]+)"', response.text))
    hidden = set(re.findall(r'<input type="hidden" name="([^"]+)"', response.text))
    assert labelled == fields
    assert len(fields) + response.text.count('type="hidden"') == page.tags.count("input")
    assert hidden <= {"request"}


async def test_every_page_says_what_it_is_and_can_be_used_by_everybody(
    google: RunningProvider, visitor: Visitor
) -> None:
    """3.6: the banner stands on each of them."""
    first = await visitor.http.get(address_of(google))
    asked = await visitor.be(first, ADA)
    leaving = await visitor.decide(asked, "allow")
    second = await visitor.http.get(address_of(google))
    wrong = await visitor.http.get(f"{google.issuer}/authorize")
    for response in (first, asked, leaving, second):
        page_of(response)
        check_everybody_can_use_it(response)
    page_of(wrong, 400)
    check_everybody_can_use_it(wrong)


async def test_a_page_loads_its_style_sheet_and_nothing_else(google: RunningProvider, visitor: Visitor) -> None:
    page = page_of(await visitor.http.get(address_of(google)))
    assert set(page.addresses) == {"/page.css", "data:,", "/authorize/person"}
    response = await visitor.http.get(f"{google.issuer}/page.css")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/css; charset=utf-8")


async def test_a_hostile_name_is_shown_as_text(google: RunningProvider, visitor: Visitor) -> None:
    """3.8-08, V1.2.1: on the page of consent, and on the next account chooser."""
    person = Person(email="a&b'c@example.com", name=HOSTILE)
    asked = await visitor.be(await visitor.http.get(address_of(google)), person)
    await visitor.decide(asked, "deny")
    for response in (asked, await visitor.http.get(address_of(google))):
        page = page_of(response)
        assert HOSTILE in page.text
        assert person.email in page.text


async def test_a_hostile_application_is_shown_as_text(google: RunningProvider, visitor: Visitor) -> None:
    """3.8-08: whatever it calls itself, wants, or sends along."""
    google.register(Client(client_id=HOSTILE, client_secret="", redirect_uris=(REDIRECT_URI,), name=HOSTILE))
    changes = {"client_id": HOSTILE, "scope": f"openid {HOSTILE.replace(' ', '')}", "state": HOSTILE}
    first = await visitor.http.get(address_of(google, **changes, login_hint=f"{HOSTILE}@x", hd=HOSTILE))
    page_of(first)
    asked = await visitor.be(await visitor.http.get(address_of(google, **changes)), ADA)
    page_of(asked)
    leaving = await visitor.decide(asked, "allow")
    page_of(leaving)
    assert sent_to(leaving).startswith(REDIRECT_URI)
    page_of(await visitor.http.get(address_of(google, client_id=HOSTILE, redirect_uri=HOSTILE)), 400)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "a" * 250 + "@example.com"}, "email"),
        ({"email": f"{HOSTILE}@example.com"}, "email"),
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"name": "\u202egnirts"}, "name"),
        ({"hosted_domain": "no domain"}, "hosted_domain"),
        ({"hosted_domain": "localhost"}, "hosted_domain"),
        ({"hosted_domain": "*"}, "hosted_domain"),
    ],
)
async def test_what_is_wrong_with_a_person_is_said_beside_the_field(
    google: RunningProvider, visitor: Visitor, changes: dict[str, str], field: str
) -> None:
    """And nobody has to type the rest again."""
    first = await visitor.http.get(address_of(google))
    response = await visitor.be(first, ADA, **changes)
    page_of(response, 422)
    check_everybody_can_use_it(response)
    assert re.findall(r'aria-describedby="([^"]+)"', response.text) == [f"{field}-problem"]
    assert f'id="{field}-problem"' in response.text
    assert request_of(response) == request_of(first)
    assert "/authorize/consent" in (await visitor.be(response, ADA)).text


async def test_whom_the_form_suggests_is_nobody_of_the_documentation(google: RunningProvider, visitor: Visitor) -> None:
    """README registers ada@example.com with a password: signing in as her would be refused, and not say why."""
    page = (await visitor.http.get(address_of(google))).text
    assert 'value="grace@gmail.com"' in page
    assert "ada@example.com" not in page
    assert "Workspace domain (may stay empty)" in page


async def test_where_a_domain_is_asked_for_the_form_does_not_say_that_it_may_stay_empty(
    google: RunningProvider, visitor: Visitor
) -> None:
    page = (await visitor.http.get(address_of(google, hd="corp.example"))).text
    assert 'value="grace@corp.example"' in page
    assert "may stay empty" not in page
    (field,) = re.findall(r'<input id="hosted_domain"[^>]*>', page)
    assert "required" in field


async def test_no_form_is_answered_by_a_redirect(google: RunningProvider, visitor: Visitor) -> None:
    """OA-16, OA-19: browsers hold `form-action` against every redirect after a form, the application's own included.

    The last page sends them on, and links there for browsers that do not follow.
    """
    asked = await visitor.be(await visitor.http.get(address_of(google)), ADA)
    leaving = await visitor.decide(asked, "allow")
    page = page_of(leaving)
    assert sent_to(leaving) in page.addresses


async def test_a_cookie_is_the_browser_s_alone(google: RunningProvider, visitor: Visitor) -> None:
    """V3.3.4: no script reads it, and no other site's form sends it."""
    cookie = (await visitor.http.get(address_of(google))).headers["set-cookie"]
    assert cookie.startswith("offline-provider-")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
