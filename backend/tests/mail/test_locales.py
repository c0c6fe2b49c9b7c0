from pathlib import Path

import pytest

from app.config import Settings
from app.mail.locales import candidates, known_locales, preferred_locale
from tests.conftest import settings_for


def settings(**changes: object) -> Settings:
    return settings_for("sqlite:///nothing.db", **changes)


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr, de;q=0.5, en;q=0.7", "en"),
        ("en;q=0.1, DE;q=0.2", "de"),
        ("de;q=0, en;q=0.1", "en"),
        ("zh-Hans-CN, de;q=0.1", "de"),
        ("fr, es", None),
        ("*", None),
        ("", None),
        (None, None),
        ("de;q=2", None),
        ("de;q=" + "9" * 400, None),
        ("../../etc/passwd", None),
        (",,,;;;==", None),
        ("x" * 100_000, None),
        ("fr," * 10_000 + "de", None),
    ],
)
def test_the_best_liked_language_that_we_have_is_kept(header: str | None, locale: str | None) -> None:
    assert preferred_locale(settings(), header) == locale


def test_a_language_falls_back_to_its_parent_the_default_and_english() -> None:
    german = settings(DEFAULT_LOCALE="de")
    assert candidates(german, "fr-CA") == ["fr-CA", "fr", "de", "en"]
    assert candidates(german, None) == ["de", "en"]
    assert candidates(settings(), "de") == ["de", "en"]


def test_a_folder_of_ones_own_adds_languages(tmp_path: Path) -> None:
    for name in ("fr", "pt-BR", "not a language", "common"):
        (tmp_path / name).mkdir()
    assert known_locales(settings(MAIL_TEMPLATES=str(tmp_path))) == ["de", "en", "fr", "pt-BR"]
