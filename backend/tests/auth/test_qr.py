import re
from xml.etree import ElementTree as ET

import pytest
import segno

from app.auth.qr import qr_svg
from app.auth.totp import provisioning_uri

NAMESPACE = "{http://www.w3.org/2000/svg}"
URI = provisioning_uri(b"12345678901234567890", "Ostiary", "ann@example.com")
TEXTS = ["a", "0123456789", "https://example.com/?a=b&c=<d>", URI, "x" * 2953, "Zoë", "\U0001f511 日本語"]
QUIET_ZONE = 4
DRAWN = re.compile(r"([Mm])(-?\d+) (-?\d+(?:\.5)?)h(\d+)")


def tree_of(text: str) -> ET.Element:
    return ET.fromstring(qr_svg(text))  # noqa: S314  What we wrote ourselves.


def picture_of(text: str) -> list[list[bool]]:
    """Return what the SVG draws, module by module: whether each one is dark. Fails at what it cannot read."""
    drawing = tree_of(text)
    _, ground, dark = drawing
    width = int(str(drawing.get("viewBox")).split()[2])
    assert drawing.get("viewBox") == f"0 0 {width} {width}"
    assert ground.attrib == {"fill": "#fff", "d": f"M0 0h{width}v{width}h-{width}z"}
    assert set(dark.attrib) == {"stroke", "d"}
    assert dark.get("stroke") == "#000"
    path = str(dark.get("d"))
    assert DRAWN.sub("", path) == ""
    modules = [[False] * width for _ in range(width)]
    x, y = 0, 0.0
    for move, right, down, length in DRAWN.findall(path):
        x, y = (int(right), float(down)) if move == "M" else (x + int(right), y + float(down))
        assert y % 1 == 0.5  # A stroke is one wide and lies on the middle of its row.
        modules[int(y)][x : x + int(length)] = [True] * int(length)
        x += int(length)
    assert {len(row) for row in modules} == {width}
    return modules


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:30])
def test_the_picture_is_the_code_in_a_white_quiet_zone(text: str) -> None:
    """ISO/IEC 18004: four modules of white on each side, so that it scans on a dark page."""
    code = segno.make_qr(text)
    assert not code.is_micro
    picture = picture_of(text)
    inner = [[bool(module) for module in row] for row in code.matrix]
    blank = [False] * (len(inner) + 2 * QUIET_ZONE)
    side = [False] * QUIET_ZONE
    assert picture == [*[blank] * QUIET_ZONE, *[side + row + side for row in inner], *[blank] * QUIET_ZONE]


def test_every_text_has_a_picture_of_its_own() -> None:
    assert len({qr_svg(text) for text in TEXTS}) == len(TEXTS)
    assert qr_svg(URI) == qr_svg(URI)


def test_a_screen_reader_hears_of_one_image_and_no_secret() -> None:
    """TO-05: the title says what it is; the secret stands in the modules alone."""
    drawing = tree_of(URI)
    assert drawing.get("role") == "img"
    assert (drawing[0].tag, drawing[0].text) == (f"{NAMESPACE}title", "QR code")
    assert not any(part in qr_svg(URI) for part in ("otpauth", "GEZDGNBVGY3TQOJQ", "ann@"))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:30])
def test_the_picture_holds_nothing_that_acts_or_asks_elsewhere(text: str) -> None:
    """XSS, CSP: title and two paths with colours, whatever the text; no script, style, link or entity."""
    drawing = tree_of(text)
    assert [part.tag for part in drawing.iter()] == [f"{NAMESPACE}{name}" for name in ("svg", "title", "path", "path")]
    assert set(drawing.attrib) == {"role", "width", "height", "shape-rendering", "viewBox"}
    svg = qr_svg(text)
    assert svg.count("http") == 1  # The name of the namespace, which nobody fetches.
    assert not re.search(r"&|<[!?]|href|style|class|url\(|\bon\w+=", svg)


def test_the_picture_grows_and_shrinks_with_the_page_and_has_a_size_of_its_own() -> None:
    drawing = tree_of("a")
    assert (drawing.get("viewBox"), drawing.get("width"), drawing.get("height")) == ("0 0 29 29", "116", "116")


def test_a_text_that_no_code_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        qr_svg("x" * 2954)
