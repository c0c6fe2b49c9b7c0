"""Where a browser may be sent: the same corpus of attacks in every form."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.auth.redirects import MAXIMUM_LENGTH, RedirectRefused, safe_return_to, with_fragment, with_parameter

FRONT_END = "https://app.example.com"
LOCAL = "http://localhost:3000"
ORIGINS = [FRONT_END, LOCAL, "https://admin.example.com:8443"]

ATTACKS = [
    "",
    " ",
    "//evil.example",
    "///evil.example",
    "////evil.example/%2f..",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "/%09/evil.example",
    "/%0a/evil.example",
    "/%0d%0aLocation:%20https://evil.example",
    "/%00/evil.example",
    "/%2f/evil.example",
    "/%2fevil.example",
    "/%2F%2Fevil.example",
    "%2f%2fevil.example",
    "/%5cevil.example",
    "/%5C%5Cevil.example",
    "/%252f%252fevil.example",
    "/%255cevil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/x/..//evil.example",
    "/./x",
    "/x/..",
    "/..",
    "/%2e%2e/x",
    "/x/%2E%2e//evil.example",
    "/x//evil.example",
    "/x%zz",
    "/x%2",
    "/x%",
    "/x\x00",
    "/x\x7f",
    "/x\u0085",
    "/x\u2028",
    "/\u2215\u2215evil.example",
    "/\uff0f\uff0fevil.example",
    "/caf\u00e9",
    "/\ud800",
    "/<script>",
    '/"onmouseover="',
    "/x?y=%0d%0aSet-Cookie:%20a=b",
    "/x#%00",
    "evil.example",
    "welcome",
    "./welcome",
    "../welcome",
    "?x=1",
    "#x",
    "@evil.example",
    ".evil.example",
    ":443@evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://",
    "https:",
    "https://evil.example",
    "https://evil.example/https://app.example.com",
    "https://evil.example?https://app.example.com/",
    "https://evil.example#https://app.example.com/",
    "https://evil.example\\@app.example.com",
    "https://app.example.com\\@evil.example",
    "https://app.example.com\\.evil.example",
    "https://app.example.com@evil.example",
    "https://app.example.com:x@evil.example",
    "https://app.example.com%40evil.example",
    "https://app.example.com%2f@evil.example",
    "https://app.example.com%23@evil.example",
    "https://user@app.example.com/",
    "https://user:word@app.example.com/",
    "https://@app.example.com/",
    "https://app.example.com.evil.example/",
    "https://app.example.comevil.example/",
    "https://evilapp.example.com/",
    "https://evil.app.example.com/",
    "https://example.com/",
    "https://app.example.com./",
    "https://app.example.com../",
    "https://app.example.com:444/",
    "https://app.example.com:/",
    "https://app.example.com:443@evil.example/",
    "https://app.example.com:443/",
    "https://app.example.com%00.evil.example/",
    "https://app.example.com%2eevil.example/",
    "https://app.example.com\n.evil.example/",
    "https://app.example.com\t/",
    "https://app\u3002example\u3002com/",
    "https://app\uff0eexample.com/",
    "https://\u0430pp.example.com/",
    "https://app.examp\u217ce.com/",
    "https://app.example.c\u00f8m/",
    "https://xn--pp-7lc.example.com/",
    "https://\uff21\uff30\uff30.example.com/",
    "HTTPS://app.example.com/",
    "https://APP.example.com/",
    " https://app.example.com/",
    "https://app.example.com/ ",
    "https://app.example.com//evil.example",
    "https://app.example.com/%2f%2fevil.example",
    "https://app.example.com/../x",
    "https://app.example.com/\\evil.example",
    "https://*.example.com/",
    "https://localhost:3000/",
    "http://app.example.com/",
    "http://localhost/",
    "http://localhost:3000.evil.example/",
    "http://localhost:30001/",
    "http://localhost:03000/",
    "http://127.0.0.1:3000/",
    "http://[::1]:3000/",
    "https://2130706433/",
    "https://[app.example.com]/",
    "ftp://app.example.com/",
    "ws://app.example.com/",
    "javascript:alert(1)",
    "javascript://app.example.com/%0aalert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://app.example.com/x",
    "view-source:https://app.example.com/",
    "mailto:a@example.com",
    "com.example.app:/callback",
    "null",
    "/" + "x" * MAXIMUM_LENGTH,
    "/" + "x" * 10_000_000,
]


def accepted(text: str, origins: list[str] | None = None) -> str | None:
    """Return where a text leads, or None when it is refused. Anything else fails the test."""
    try:
        return safe_return_to(text, ORIGINS if origins is None else origins)
    except RedirectRefused:
        return None


@pytest.mark.parametrize("text", ATTACKS, ids=lambda text: ascii(text)[:60])
def test_an_address_with_a_trick_is_refused(text: str) -> None:
    """OA-04, 3.6-01, 3.6-02, 3.6-03"""
    assert accepted(text) is None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/", f"{FRONT_END}/"),
        ("/welcome", f"{FRONT_END}/welcome"),
        ("/a/b.c/...x/~d;e=1", f"{FRONT_END}/a/b.c/...x/~d;e=1"),
        ("/.well-known/x", f"{FRONT_END}/.well-known/x"),
        ("/caf%C3%A9%20bar", f"{FRONT_END}/caf%C3%A9%20bar"),
        ("/@ada", f"{FRONT_END}/@ada"),
        ("/x?next=//evil.example&y=%2F%2Fz&p=50%25", f"{FRONT_END}/x?next=//evil.example&y=%2F%2Fz&p=50%25"),
        ("/x?y=a@b#/route/../1", f"{FRONT_END}/x?y=a@b#/route/../1"),
        (FRONT_END, FRONT_END),
        (f"{FRONT_END}/", f"{FRONT_END}/"),
        (f"{FRONT_END}?x=1", f"{FRONT_END}?x=1"),
        (f"{FRONT_END}#x", f"{FRONT_END}#x"),
        ("http://localhost:3000/x", "http://localhost:3000/x"),
        ("https://admin.example.com:8443/x", "https://admin.example.com:8443/x"),
    ],
)
def test_a_page_of_ours_is_where_it_says(text: str, address: str) -> None:
    """OA-04: a path is one of the front end's."""
    assert accepted(text) == address


@pytest.mark.parametrize("suffix", ["evil.example", "@evil.example", ".evil.example", ":1", ":443@evil.example"])
def test_nothing_is_glued_to_the_front_end_so_that_its_host_changes(suffix: str) -> None:
    """3.6-03: `return_to=@evil` behind a base URL."""
    assert accepted(suffix) is None
    assert urlsplit(accepted(f"/{suffix}") or "").netloc == "app.example.com"


PIECES = st.sampled_from(
    [
        *"/\\.@:#?=&a \t\n\x00é。\u202e",
        *("//", "..", "%2f", "%5c", "%00", "%09", "%40", "http:", "https:", "javascript:"),
        *("app.example.com", "localhost:3000", "evil.example", FRONT_END),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
@example(f"{FRONT_END}@evil.example")
@example("/\\/evil.example")
def test_whatever_is_accepted_is_a_page_of_a_listed_origin(text: str) -> None:
    """OA-04, 3.6-03: taken apart once more, by another reader."""
    found = accepted(text)
    if found is None:
        return
    parts = urlsplit(found)
    assert f"{parts.scheme}://{parts.netloc}" in ORIGINS
    assert parts.username is None
    assert parts.path == "" or parts.path[0] == "/" != parts.path[1:2]
    assert found.isascii()
    assert found.isprintable()


@pytest.mark.parametrize("origin", ORIGINS)
def test_an_origin_that_is_not_listed_any_more_is_refused(origin: str) -> None:
    """OA-04"""
    others = [each for each in ORIGINS if each != origin]
    assert accepted(f"{origin}/x") == f"{origin}/x"
    assert accepted(f"{origin}/x", others) is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://app.example.com", "https://app.example.com?code=new%26x"),
        ("https://app.example.com/a", "https://app.example.com/a?code=new%26x"),
        ("https://app.example.com/a?b=1&c=", "https://app.example.com/a?b=1&c=&code=new%26x"),
        ("https://app.example.com/a?b=1#top", "https://app.example.com/a?b=1&code=new%26x#top"),
    ],
)
def test_a_parameter_goes_into_the_query(url: str, address: str) -> None:
    """OA-19"""
    assert with_parameter(url, "code", "new&x") == address


@pytest.mark.parametrize("query", ["code=theirs", "code=theirs&code=2", "co%64e=theirs", "a=1&code=theirs&b=2"])
def test_nobody_puts_their_own_value_before_ours(query: str) -> None:
    """OA-02, 3.3-10: a code that the attacker chose, read first by the front end, would be a login CSRF."""
    address = with_parameter(f"{FRONT_END}/x?{query}", "code", "ours")
    assert [value for name, value in parse_qsl(urlsplit(address).query) if name == "code"] == ["ours"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("/x?code=theirs", "/x"),
        ("/x?code=theirs&code=2&error=E&linked=google", "/x"),
        ("/x?a=1&co%64e=theirs&b=%41", "/x?a=1&b=%41"),
        ("/x?code", "/x"),
        ("/x?a=code&codes=1", "/x?a=code&codes=1"),
        ("/x?a=1&code=theirs#top", "/x?a=1#top"),
        ("/x#code=theirs", "/x"),
        ("/x?b=1#a=1&%63ode=theirs", "/x?b=1#a=1"),
        ("/x#/route?code=theirs&a=1", "/x#/route?a=1"),
        ("/x#/route?error=theirs", "/x#/route"),
        ("/x#?code=theirs&a=1", "/x#?a=1"),
        ("/x#code=theirs?a=1", "/x#?a=1"),
        ("/x?code=theirs#?a=1", "/x#?a=1"),
        ("/x?#", "/x?#"),
    ],
)
def test_what_only_this_server_says_nobody_puts_into_a_link(text: str, address: str) -> None:
    """OA-02, 3.3-10: a code that somebody else chose stands in no address, whichever way the sign-in ends."""
    assert accepted(text) == f"{FRONT_END}{address}"
    assert accepted(f"{FRONT_END}{text}") == f"{FRONT_END}{address}"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://app.example.com", "https://app.example.com#code=new%26x"),
        ("https://app.example.com/a?b=1&c=", "https://app.example.com/a?b=1&c=#code=new%26x"),
        ("https://app.example.com/a?b=1#code=theirs", "https://app.example.com/a?b=1#code=new%26x"),
    ],
)
def test_a_secret_goes_into_the_fragment_alone(url: str, address: str) -> None:
    """OA-19: no server sees it, and nobody puts a value of theirs beside it."""
    assert with_fragment(url, "code", "new&x") == address
