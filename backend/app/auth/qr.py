"""QR codes (ISO/IEC 18004) as pictures that a page may hold. Knows nothing of what they say."""

from io import BytesIO

import segno

_QUIET_ZONE = 4
"""Modules of white around the code, as ISO/IEC 18004 asks for."""
_MODULE = 4
"""Pixels of a module where the page gives no size of its own."""
_TITLE = "QR code"
"""The picture's name for screen readers. The text itself may be a secret, which they must not say aloud."""


def qr_svg(text: str) -> str:
    """Return a text as a QR code: a standalone SVG without script, style or reference to anything outside it.

    It is black on its own white, so that it scans on a dark page too, and takes whatever size the page gives it.
    Raises ValueError for a text that is longer than a QR code holds (2953 bytes).
    """
    code = segno.make_qr(text)
    size = code.symbol_size(scale=_MODULE, border=_QUIET_ZONE)[0]
    picture = BytesIO()
    code.save(
        picture,
        kind="svg",
        border=_QUIET_ZONE,
        dark="#000",
        light="#fff",
        title=_TITLE,
        omitsize=True,  # A viewBox takes its place: without one the picture would not grow and shrink.
        xmldecl=False,
        svgclass=None,
        lineclass=None,
        nl=False,
    )
    # As an image it is read out by its title. Crisp edges: no grey seams between the rows at odd sizes.
    opening = f'<svg role="img" width="{size}" height="{size}" shape-rendering="crispEdges" '
    return picture.getvalue().decode().replace("<svg ", opening, 1)
