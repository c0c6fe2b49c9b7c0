"""Every mail in every language: both parts say the same, and nothing of what somebody typed does anything."""

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from jinja2 import TemplateError

from app.config import ConfigurationError, Settings
from app.mail.links import Link
from app.mail.locales import OWN_TEMPLATES
from app.mail.messages import KINDS, AddressChangeNotice, MaskedAddress, Message, NoticeEvent, Recipient, SecurityNotice
from app.mail.rendering import Rendered, Span, render
from app.mail.samples import check_templates, find_sample, sample_names, samples
from app.main import create_app
from app.services.mail_caps import Asker, cap_for
from tests.conftest import settings_for
from tests.pages.html import Page

SETTINGS = settings_for("sqlite:///nothing.db")
LOCALES = ["de", "en"]
NAMES = sample_names(SETTINGS)
EVERY_MAIL = pytest.mark.parametrize("name", NAMES)
EVERY_LOCALE = pytest.mark.parametrize("locale", LOCALES)
NASTY = '<script>alert(1)</script>"><img src=x onerror=y> {{ 7*7 }} {% raw %} https://evil.example/x'


def sample(name: str, locale: str | None = None, settings: Settings = SETTINGS) -> Message:
    found = find_sample(settings, name, locale)
    assert found is not None
    return found


def with_texts(message: Message, text: str) -> Message:
    """Return the message with this text wherever somebody could have chosen one."""
    to = Recipient(address="ada@example.com", locale=message.to.locale, name=text)
    chosen = {"device", "inviter", "what", "new_address", "client_address"} & {item.name for item in fields(message)}
    values = {item.name: getattr(message, item.name) for item in fields(message)}
    return type(message)(**{**values, **dict.fromkeys(chosen, text), "to": to})


def links_in(text: str) -> set[str]:
    return set(re.findall(r"https?://[^\s<>\"]+", text))


def words_of(rendered: Rendered) -> Iterator[str]:
    yield rendered.text
    yield rendered.html


@EVERY_LOCALE
def test_a_masked_address_is_whole_and_no_part_of_it_is_a_host(locale: str) -> None:
    """3.6-08: the domain is a stranger's choice as well; mail programs make a link of `evil.example`."""
    message = sample("address_change_notice", locale)
    assert isinstance(message, AddressChangeNotice)
    mail = render(SETTINGS, replace(message, new_address=MaskedAddress.of("Grace@mail.evil.example")))
    for words in words_of(mail):
        assert "g***@m***.example" in words
        assert "evil" not in words


def test_every_kind_has_a_sample() -> None:
    assert {message.kind for message in samples(SETTINGS)} == set(KINDS)


@EVERY_LOCALE
@EVERY_MAIL
def test_text_and_html_hold_the_same_links_and_codes(name: str, locale: str) -> None:
    """Whoever reads one part misses nothing of the other."""
    message = sample(name, locale)
    rendered = render(SETTINGS, message)
    assert rendered.locale == locale
    page = Page(rendered.html)
    links = {value.url for item in fields(message) if isinstance(value := getattr(message, item.name), Link)}
    own = {SETTINGS.PUBLIC_URL}
    assert links_in(rendered.text) == set(page.addresses) == links | own
    code = getattr(message, "code", None)
    assert code is None or all(code in part for part in words_of(rendered))
    assert f'<html lang="{locale}">' in rendered.html
    assert rendered.subject
    assert "\n" not in rendered.subject
    assert code is None or code not in rendered.subject
    for sentence in re.findall(r"<p>([^<]+)</p>", rendered.html):
        assert unescape(sentence).strip() in rendered.text


@EVERY_MAIL
def test_the_languages_differ(name: str) -> None:
    german, english = (render(SETTINGS, sample(name, locale)) for locale in LOCALES)
    assert german.subject != english.subject
    assert german.text != english.text


@EVERY_LOCALE
@EVERY_MAIL
def test_what_somebody_typed_does_nothing(name: str, locale: str) -> None:
    """3.6-08, V1.3.11, V1.2.1: neither markup, nor a template, nor a link; the subject does not know it at all."""
    message = sample(name, locale)
    plain, nasty = render(SETTINGS, message), render(SETTINGS, with_texts(message, NASTY))
    assert nasty.subject == plain.subject
    assert Page(nasty.html).tags == Page(plain.html).tags
    assert Page(nasty.html).addresses == Page(plain.html).addresses
    for part in words_of(nasty):
        assert "evil.example" not in part
        assert "49" not in part.replace("48151623", "")
    assert links_in(nasty.text) == links_in(plain.text)


@EVERY_MAIL
def test_what_somebody_typed_adds_no_line(name: str) -> None:
    """3.6-08: a paragraph of an attacker's own would look like one of ours."""
    message = sample(name)
    plain = render(SETTINGS, with_texts(message, "Ada"))
    nasty = render(SETTINGS, with_texts(message, "Ada\r\n\r\nYour account is blocked. Call us\u2028now"))
    assert nasty.text.count("\n") == plain.text.count("\n") or "client_address" in {f.name for f in fields(message)}


@pytest.mark.parametrize("name", ["verify_address", "confirm_new_address", "invitation", "sign_in_code"])
def test_who_has_not_proved_the_address_is_not_called_by_a_name(name: str) -> None:
    """3.6-08: a stranger can register your address with a message to you as the name."""
    rendered = render(SETTINGS, with_texts(sample(name), "Marvin"))
    greeted = rendered.text.splitlines()[0]
    assert greeted == "Hello,"


def test_who_is_known_is_called_by_name() -> None:
    assert render(SETTINGS, sample("reset_password", "de")).text.startswith("Guten Tag Ada Lovelace,\n")


@pytest.mark.parametrize(
    "url", ["https://evil.example/reset", "http://127.0.0.1:8000.evil.example/", "javascript:alert(1)"]
)
def test_a_link_that_does_not_lead_here_is_no_mail(url: str) -> None:
    """3.6-05: whoever built it, and however."""
    message = sample("reset_password")
    values = {item.name: getattr(message, item.name) for item in fields(message)}
    with pytest.raises(ValueError, match="PUBLIC_URL"):
        render(SETTINGS, type(message)(**{**values, "link": Link(url)}))


@pytest.mark.parametrize("code", ["", "12 34", "<b>1</b>", "12345678\n", "\uff11\uff12"])
def test_a_code_that_is_none_is_no_mail(code: str) -> None:
    message = sample("sign_in_code")
    values = {item.name: getattr(message, item.name) for item in fields(message)}
    with pytest.raises(ValueError, match="letters and digits"):
        render(SETTINGS, type(message)(**{**values, "code": code}))


@pytest.mark.parametrize(
    ("minutes", "count", "unit"),
    [
        (1, 1, "minutes"),
        (10, 10, "minutes"),
        (60, 1, "hours"),
        (90, 90, "minutes"),
        (1440, 24, "hours"),
        (4320, 3, "days"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_unit(minutes: int, count: int, unit: str) -> None:
    assert Span.of(timedelta(minutes=minutes)) == Span(count, unit)


@pytest.mark.parametrize("seconds", [0, 59, 61, -60])
def test_a_length_without_whole_minutes_is_none(seconds: int) -> None:
    with pytest.raises(ValueError, match="whole minutes"):
        Span.of(timedelta(seconds=seconds))


def test_every_kind_is_capped() -> None:
    """3.7-10: frozen here, because a kind without a cap is a way to bomb somebody."""
    settings, to, hour = settings_for("sqlite:///nothing.db"), Recipient(address="ada@example.com"), timedelta(hours=1)
    caps = {
        name: cap_for(settings, kind, to=to, valid_for=hour, apart=Asker.ANYBODY).most for name, kind in KINDS.items()
    }
    assert caps.pop("already_registered") == 2
    assert set(caps.values()) == {10}
    apart = NoticeEvent.NEW_DEVICE
    assert cap_for(settings, SecurityNotice, to=to, valid_for=hour, apart=apart).most == 4


# Templates of one's own.


def own_templates(folder: Path, **files: str) -> Settings:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return settings_for("sqlite:///nothing.db", MAIL_TEMPLATES=str(folder))


def test_one_file_of_ones_own_replaces_one_of_ours(tmp_path: Path) -> None:
    settings = own_templates(tmp_path, en__reset_password_DOT_txt="Our words: {{ link }} {{ code }}")
    mine, theirs = render(settings, sample("reset_password")), render(SETTINGS, sample("reset_password"))
    assert mine.text.startswith("Our words: http://127.0.0.1:8000/")
    assert (mine.html, mine.subject) == (theirs.html, theirs.subject)
    check_templates(settings)


def test_a_layout_of_ones_own_changes_every_mail(tmp_path: Path) -> None:
    ours = (OWN_TEMPLATES / "base.html").read_text(encoding="utf-8")
    settings = own_templates(tmp_path, base_DOT_html=ours.replace("max-width:34em", "max-width:50em"))
    for message in samples(settings):
        assert "max-width:50em" in render(settings, message).html


def test_a_language_of_ones_own_may_begin_with_one_mail(tmp_path: Path) -> None:
    """What is not translated yet comes in the default language, whole."""
    settings = own_templates(
        tmp_path,
        fr__test_mail_DOT_subject="Un essai de {{ app_name }}",
        fr__test_mail_DOT_txt="Rien à faire.",
        fr__test_mail_DOT_html="<p>Rien à faire.</p>",
    )
    assert render(settings, sample("test_mail", "fr-CA")).subject == "Un essai de Ostiary"
    assert render(settings, sample("reset_password", "fr")).locale == "en"
    check_templates(settings)


BROKEN = {
    "a name that does not exist": {"en__test_mail_DOT_txt": "{{ nobody }}"},
    "no template at all": {"en__test_mail_DOT_html": "{% if %}"},
    "half a language": {"fr__test_mail_DOT_subject": "Un essai"},
    "a name in the subject": {"en__security_notice_DOT_subject": "For {{ name }}"},
    "a secret in the subject": {"en__sign_in_code_DOT_subject": "{{ code }}"},
    "a subject that says nothing": {"en__test_mail_DOT_subject": "  "},
    "a way out of the sandbox": {"en__test_mail_DOT_txt": "{{ app_name.__class__.__mro__ }}"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_template_that_cannot_be_used_is_found_at_the_start(tmp_path: Path, name: str) -> None:
    """V13.4.2: and not by whoever waits for a code."""
    settings = own_templates(tmp_path, **BROKEN[name])
    with pytest.raises(ConfigurationError, match=r"MAIL_TEMPLATES: (en|fr)/"):
        create_app(settings)


def test_a_default_language_without_templates_is_found_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="DEFAULT_LOCALE: there are no templates in it"):
        create_app(settings_for("sqlite:///nothing.db", DEFAULT_LOCALE="tlh"))


def test_an_event_that_templates_do_not_know_is_an_error() -> None:
    message = sample("new_device")
    assert isinstance(message, SecurityNotice)
    values = {item.name: getattr(message, item.name) for item in fields(message)}
    with pytest.raises(TemplateError):
        render(SETTINGS, SecurityNotice(**{**values, "event": "nonsense"}))


def test_no_template_loads_anything_from_elsewhere() -> None:
    """V14.2.7: opening a mail tells nobody that it was opened."""
    for path in OWN_TEMPLATES.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert re.findall(r"https?://|<img|<link|url\(|@import|<script|src=", text) == []
