"""The page on mail shows how a product sends a mail of its own: its files, as they stand there, are a mail that leaves."""

import importlib
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.mail.sealing import open_mail
from tests.accounts import CLIENT, Accounts
from tests.architecture.sources import REPOSITORY
from tests.conftest import settings_for
from tests.journeys.pair import held
from tests.outbox import the_mail
from tests.rows import change_user, find_user

PAGE = (REPOSITORY / "docs/concepts/mail.md").read_text(encoding="utf-8")


def write_files(folder: Path) -> set[str]:
    """Write the files that the page tells people to write, and return their names."""
    found = dict(re.findall(r"<!-- (\S+): begin -->\n```\w+\n(.*?)```\n<!-- \1: end -->", PAGE, re.DOTALL))
    for name, text in found.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return set(found)


async def test_a_mail_of_ones_own_is_sent_as_the_page_says(
    accounts: Accounts, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.6-08: a text that somebody chose is no link in it either, and HTML is escaped."""
    assert write_files(tmp_path) == {
        "coupons.py",
        "mail/en/coupon.subject",
        "mail/en/coupon.txt",
        "mail/en/coupon.html",
    }
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "coupons", raising=False)
    coupons = importlib.import_module("coupons")
    ada = await accounts.register(name="Ada")
    async with held(settings_for(database_url, MAIL_TEMPLATES=str(tmp_path / "mail"))) as runtime:
        await change_user(runtime, ada, email_verified_at=datetime.now(UTC))
        async with runtime.database.begin(CLIENT) as work:
            await coupons.send_coupon(work, user=await find_user(runtime, ada), occasion="<b>evil.com</b>")
        mail = await the_mail(runtime)
        written = open_mail(runtime.settings, mail.content_encrypted or b"", mail_id=mail.id, kind=mail.kind)
        shop = f"{runtime.settings.PUBLIC_URL}/shop"
    assert (mail.kind, mail.recipient) == ("coupon", ada.email)
    assert written is not None
    assert written.subject == "A present from Ostiary"
    assert written.text.startswith("Hello Ada,\n")
    for part in (written.text, written.html):
        assert shop in part
        assert "evil.com" not in part
    assert "<b>" not in written.html
