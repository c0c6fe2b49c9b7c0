import base64
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.auth.qr import qr_svg
from app.auth.totp import Algorithm, code_at, find_step, new_seed, provisioning_uri, shown_secret, step_of

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "data/otp_vectors.json").read_text(encoding="utf-8"))
SEED = b"12345678901234567890"
STEP = 58_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGIN = EPOCH + timedelta(seconds=30 * STEP)
"""The first instant of a step, in the year 2025."""
TWIN = 910_737
"""A step whose code is that of the next one, too (found by trying)."""
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@pytest.mark.parametrize("vector", VECTORS["hotp"]["codes"], ids=lambda vector: str(vector["counter"]))
def test_the_codes_of_rfc_4226_come_out(vector: dict[str, Any]) -> None:
    """TO-01: appendix D."""
    assert VECTORS["hotp"]["seed"].encode() == SEED
    assert code_at(SEED, vector["counter"], VECTORS["hotp"]["digits"]) == vector["code"]


@pytest.mark.parametrize(
    "vector", VECTORS["totp"]["codes"], ids=lambda vector: f"{vector['algorithm']}-{vector['time']}"
)
def test_the_codes_of_rfc_6238_come_out(vector: dict[str, Any]) -> None:
    """TO-01: appendix B, eight digits, seeds of 20, 32 and 64 bytes."""
    algorithm: Algorithm = vector["algorithm"]
    step = step_of(EPOCH + timedelta(seconds=vector["time"]))
    assert step == int(vector["step"], 16)
    seed = VECTORS["totp"]["seeds"][algorithm].encode()
    assert len(seed) == {"SHA1": 20, "SHA256": 32, "SHA512": 64}[algorithm]
    assert code_at(seed, step, VECTORS["totp"]["digits"], algorithm) == vector["code"]


def test_the_published_vectors_are_all_there() -> None:
    """TO-01: a file that lost half of them would pass as well."""
    assert [vector["counter"] for vector in VECTORS["hotp"]["codes"]] == list(range(10))
    assert len({(vector["algorithm"], vector["time"]) for vector in VECTORS["totp"]["codes"]}) == 18


def test_a_code_of_six_digits_is_the_end_of_the_one_of_eight() -> None:
    """RFC 4226, section 5.3: the remainder of one number."""
    assert all(code_at(SEED, step, 8).endswith(code_at(SEED, step)) for step in range(1000))


def test_leading_zeros_stay() -> None:
    codes = [code_at(SEED, step) for step in range(1000)]
    assert any(code.startswith("0") for code in codes)
    assert all(re.fullmatch("[0-9]{6}", code) for code in codes)


@pytest.mark.parametrize(
    ("seconds", "found"),
    [(0, 0), (1, 0), (29, 0), (29.999999, 0), (30, -1), (31, -1), (59, -1), (59.999999, -1)],
)
def test_a_code_counts_in_its_own_step_and_the_next(seconds: float, found: int) -> None:
    """TO-02: what counts is the step that the code belongs to, however late it comes."""
    now = BEGIN + timedelta(seconds=seconds)
    assert find_step(SEED, code_at(SEED, STEP), now) == STEP == step_of(now) + found


@pytest.mark.parametrize("seconds", [60, 61, 89, 90, 3600, -0.000001, -1, -29, -30, -31, -60, -61, -3600])
def test_a_code_counts_neither_later_nor_ahead_of_its_step(seconds: float) -> None:
    """TO-02: never forward, so a code that an app shows too early has to wait."""
    assert find_step(SEED, code_at(SEED, STEP), BEGIN + timedelta(seconds=seconds)) is None


@pytest.mark.parametrize(
    ("seconds", "counts"),
    [
        *[(0, True), (1, True), (29, True), (30, True), (31, False), (60, False), (61, False)],
        *[(-1, True), (-29, True), (-30, False), (-31, False), (-60, False), (-61, False)],
    ],
)
def test_clocks_that_differ_are_borne_with_as_far_as_the_window_goes(seconds: int, counts: bool) -> None:
    """TO-02: the app shows the code in the last second of its step; the server's clock is ahead by so much, or behind."""
    code = code_at(SEED, STEP)
    found = find_step(SEED, code, BEGIN + timedelta(seconds=29 + seconds))
    assert found == (STEP if counts else None)


def test_of_two_steps_with_the_same_code_the_later_one_counts() -> None:
    """Or a code that was just spent would count again, as that of the later step."""
    assert code_at(SEED, TWIN) == code_at(SEED, TWIN + 1)
    assert find_step(SEED, code_at(SEED, TWIN), EPOCH + timedelta(seconds=30 * (TWIN + 1))) == TWIN + 1


def test_the_zone_that_an_instant_is_written_in_does_not_matter() -> None:
    """TO-02."""
    elsewhere = BEGIN.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert step_of(elsewhere) == step_of(BEGIN) == STEP


def test_an_instant_without_a_zone_is_refused() -> None:
    """TO-02: it would be read in the zone of the server."""
    with pytest.raises(TypeError):
        step_of(BEGIN.replace(tzinfo=None))


def spellings(code: str) -> dict[str, str]:
    """Return texts that mean a code to people, to `int` or to `str.isdigit`, and are not the code."""
    return {
        "empty": "",
        "five digits": code[1:],
        "five digits of the front": code[:5],
        "seven digits": f"0{code}",
        "seven digits, one behind": f"{code}0",
        "twice": code * 2,
        "space before": f" {code}",
        "space behind": f"{code} ",
        "space within": f"{code[:3]} {code[3:]}",
        "space in place of the first digit": f" {code[1:]}",
        "space in place of the last digit": f"{code[:5]} ",
        "line end behind": f"{code}\n",
        "line end in place of the last digit": f"{code[:5]}\n",
        "no break space": f"\u00a0{code}",
        "zero width space": f"{code[:3]}\u200b{code[3:]}",
        "nul behind": f"{code}\0",
        "nul in place of the last digit": f"{code[:5]}\0",
        "plus": f"+{code}",
        "plus in place of the first digit": f"+{code[1:]}",
        "minus": f"-{code}",
        "minus in place of the first digit": f"-{code[1:]}",
        "underscore": f"{code[:3]}_{code[3:]}",
        "dash": f"{code[:3]}-{code[3:]}",
        "decimal": f"{code}.0",
        "exponent": f"{code}e0",
        "hexadecimal": hex(int(code)),
        "arabic": code.translate({ord("0") + digit: 0x0660 + digit for digit in range(10)}),
        "fullwidth": code.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)}),
        "devanagari": code.translate({ord("0") + digit: 0x0966 + digit for digit in range(10)}),
        "mathematical": code.translate({ord("0") + digit: 0x1D7CE + digit for digit in range(10)}),
        "superscript": code[:5] + "\u00b2",
        "one arabic digit": code[:5] + chr(0x0660 + int(code[5])),
        "combining mark": f"{code[:5]}\u0301",
        "surrogate": f"{code[:5]}\ud800",
        "surrogate behind": f"{code}\ud800",
        "letters": "abcdef",
        "dashes": "------",
        "null": "null",
        "long": code * 10_000,
    }


@pytest.mark.parametrize("name", list(spellings("000000")))
def test_nothing_but_six_ascii_digits_is_a_code(name: str) -> None:
    """TO-08."""
    for step in (STEP - 1, STEP):
        code = code_at(SEED, step)
        assert find_step(SEED, code, BEGIN) == step
        assert find_step(SEED, spellings(code)[name], BEGIN) is None


def test_every_other_digit_at_every_place_is_refused() -> None:
    """TO-08."""
    taken = {code_at(SEED, STEP), code_at(SEED, STEP - 1)}
    near = {code[:place] + digit + code[place + 1 :] for code in taken for place in range(6) for digit in "0123456789"}
    assert len(near) == 2 * 6 * 9 + 2
    assert {code for code in near if find_step(SEED, code, BEGIN) is not None} == taken


def calls_during(act: Callable[[], object]) -> list[str]:
    """Return the MACs and comparisons that are made while something runs."""
    seen = []

    def note(_frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and "digest" in argument.__name__:
            seen.append(argument.__name__)

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize("presented", ["current", "previous", "wrong", "five digits", "empty", "long"])
def test_whatever_is_presented_the_work_is_the_same(presented: str) -> None:
    """TO-08: two MACs and two comparisons, so the time of an answer tells nothing."""
    code = code_at(SEED, STEP)
    texts = {"current": code, "previous": code_at(SEED, STEP - 1), "wrong": code_at(SEED, STEP + 1), **spellings(code)}
    calls = calls_during(lambda: find_step(SEED, texts[presented], BEGIN))
    assert calls == ["hmac_digest", "compare_digest"] * 2


@settings(deadline=None, max_examples=200)
@given(st.binary(min_size=20, max_size=20), INSTANTS, st.integers(-3, 3), st.text(max_size=12))
@example(SEED, BEGIN, 0, "000000")
def test_what_counts_is_the_code_of_the_step_found(seed: bytes, now: datetime, steps: int, text: str) -> None:
    """TO-02, TO-08: for any seed, any instant and any text."""
    current = step_of(now)
    own = code_at(seed, current + steps)
    for code in (own, text):
        found = find_step(seed, code, now)
        window = [step for step in (current, current - 1) if code_at(seed, step) == code]
        assert found == (window[0] if window else None)
    assert steps not in {0, -1} or find_step(seed, own, now) is not None


def test_a_seed_has_160_random_bits() -> None:
    """TO-05: RFC 4226, section 4, R6. No bit of it always has the same value, and no two are the same."""
    seeds = [new_seed() for _ in range(200)]
    assert {len(seed) for seed in seeds} == {20}
    assert len(set(seeds)) == 200
    ones, zeros = 0, 0
    for seed in seeds:
        ones |= int.from_bytes(seed, "big")
        zeros |= ~int.from_bytes(seed, "big")
    assert ones == 2**160 - 1
    assert zeros == -1


def test_the_uri_is_spelt_as_apps_expect_it() -> None:
    """The example of the Key Uri Format, with our parameters."""
    seed = base64.b32decode("HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ")
    assert provisioning_uri(seed, "ACME Co", "john.doe@email.com") == (
        "otpauth://totp/ACME%20Co:john.doe@email.com"
        "?secret=HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ&issuer=ACME%20Co&algorithm=SHA1&digits=6&period=30"
    )


@pytest.mark.parametrize(
    ("issuer", "account", "label"),
    [
        ("Ostiary", "ann+shop@example.com", "Ostiary:ann+shop@example.com"),
        ("A/B?c=d&e#f%20", "x&secret=AAAA@example.com", "A/B?c=d&e#f%20:x&secret=AAAA@example.com"),
        ("Zoë's Café", "zoë@exämple.com", "Zoë's Café:zoë@exämple.com"),
        ("Acme: Portal", "a:b@example.com", "Acme Portal:a b@example.com"),
        ("  two\t lines\r\n", "ann@example.com", "two lines:ann@example.com"),
        ("x" * 100, "y" * 100, f"{'x' * 64}:{'y' * 64}"),
    ],
)
def test_a_name_stays_within_its_place(issuer: str, account: str, label: str) -> None:
    """Whatever a name holds, it neither adds a parameter nor another part of the label."""
    parts = urlsplit(provisioning_uri(SEED, issuer, account))
    assert (parts.scheme, parts.netloc, parts.fragment) == ("otpauth", "totp", "")
    assert unquote(parts.path) == f"/{label}"
    assert parts.path.count(":") == 1
    assert "+" not in parts.query
    assert parse_qsl(parts.query, strict_parsing=True) == [
        ("secret", base64.b32encode(SEED).decode()),
        ("issuer", label.partition(":")[0]),
        ("algorithm", "SHA1"),
        ("digits", "6"),
        ("period", "30"),
    ]


@settings(deadline=None, max_examples=20)
@given(NAMES, NAMES)
@example("\U0001f9ff" * 300, "\U0001f9ff" * 300)
def test_whatever_the_names_are_a_qr_code_holds_the_uri(issuer: str, account: str) -> None:
    uri = provisioning_uri(SEED, issuer, account)
    assert uri.isascii()
    assert qr_svg(uri)


def test_the_secret_that_is_typed_is_the_one_that_is_scanned() -> None:
    """TO-05: base32 in groups of four, without padding."""
    seed = new_seed()
    shown = shown_secret(seed)
    assert re.fullmatch("[A-Z2-7]{4}( [A-Z2-7]{4}){7}", shown)
    assert base64.b32decode(shown.replace(" ", "")) == seed
    assert dict(parse_qsl(urlsplit(provisioning_uri(seed, "a", "b")).query))["secret"] == shown.replace(" ", "")


def test_padding_is_left_out() -> None:
    """The Key Uri Format asks for none; a seed of 160 bits has none, one of another length would."""
    assert shown_secret(b"12345678901") == "GEZD GNBV GY3T QOJQ GE"
