"""Where a browser may be sent: to a page of a listed origin, and nowhere else, however it is spelled."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

MAXIMUM_LENGTH = 512
"""Characters of an address to return to, in full. It travels in a cookie, and a browser may keep several."""
OURS = frozenset({"code", "error", "linked"})
"""What a front end reads in the address that a browser comes back to. Nobody but this server says these there."""

_URL = re.compile(r"(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})+", re.ASCII)
"""Every character that a URL may have (RFC 3986, section 2). No backslash, no space, no letter beyond ASCII."""
_ORIGIN_AND_REST = re.compile(r"([a-z]+://[^/?#]*)(.*)", re.ASCII)
_CONTROL = re.compile(r"%(?:[01][0-9A-F]|7F)", re.IGNORECASE | re.ASCII)
_SECOND_MEANING = re.compile(r"//|%(?:2F|5C|25|2E)|/\.{1,2}(?:/|$)", re.IGNORECASE | re.ASCII)
"""What somebody else may read as another path than we do: empty and dotted segments, and slashes, dots and per cent
signs in disguise."""


class RedirectRefused(ValueError):
    """The text is no address that a browser may be sent to."""


def safe_return_to(text: str, origins: Sequence[str]) -> str:
    """Return the full address of a page of one of these origins. Raises `RedirectRefused`.

    `text` is such an address, or a path, which is one of the first origin. Origins are scheme, host and port as a
    browser writes them, and are compared as a whole, letter for letter: no prefix, no pattern, no other spelling. A path
    has one meaning only, so nobody behind us who decodes it once more comes to another host.
    """
    if len(text) > MAXIMUM_LENGTH or not _URL.fullmatch(text):
        raise RedirectRefused("too long, or has characters that no URL has")
    found = _ORIGIN_AND_REST.fullmatch(f"{origins[0]}{text}" if text.startswith("/") else text)
    if found is None or found[1] not in set(origins) or len(found[0]) > MAXIMUM_LENGTH:
        raise RedirectRefused("on no origin that is listed")
    if _SECOND_MEANING.search(re.split("[?#]", found[2])[0]) or _CONTROL.search(found[2]):
        raise RedirectRefused("can be read in more than one way")
    return _without_ours(found[0])


def _without_ours(url: str) -> str:
    """Return an address without any parameter of these names, in the query, the fragment, or a route's query in it.

    Otherwise whoever writes a link could hand the page a code of their own choice. All else stays letter for letter.
    """
    address, _, fragment = url.partition("#")
    path, _, query = address.partition("?")
    route, _, routed = fragment.partition("?")
    kept = [_kept(text) for text in (query, route, routed)]
    if kept == [query, route, routed]:
        return url
    return path + _marked("?", kept[0]) + _marked("#", kept[1] + _marked("?", kept[2]))


def _marked(mark: str, text: str) -> str:
    return mark + text if text else ""


def _kept(parameters: str) -> str:
    pairs = parameters.split("&")
    return "&".join(pair for pair in pairs if unquote_plus(pair.partition("=")[0]) not in OURS)


def with_parameter(url: str, name: str, value: str) -> str:
    """Return a checked address with one more parameter in its query. One of that name that was there before is gone.

    Otherwise whoever chose the address could have put theirs first.
    """
    parts = urlsplit(url)
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return parts._replace(query=urlencode([*kept, (name, value)])).geturl()


def with_own_fragment(url: str) -> str:
    """Return an address that has a fragment, be it an empty one.

    Over a redirect to an address without one a browser carries the fragment that it came with (Fetch, section 4.4),
    and with it whatever secret stood there, to whomever it is sent.
    """
    return url if "#" in url else f"{url}#"


def with_fragment(url: str, name: str, value: str) -> str:
    """Return a checked address with one parameter as its fragment, in the place of any that it had.

    Browsers send a fragment to no server and put it into no Referer: it is in no log, only before the page's own eyes.
    """
    return urlsplit(url)._replace(fragment=urlencode([(name, value)])).geturl()
