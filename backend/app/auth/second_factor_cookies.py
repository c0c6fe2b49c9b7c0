"""What a browser keeps about second factors: a sign-in that lacks one, and that it is not asked again for a while."""

PENDING_COOKIE = "__Host-ostiary-pending"
REMEMBERED_COOKIE = "__Host-ostiary-remembered"
PENDING_PREFIX = "ost_pf_"
"""Names the kind, so that a secret scanner or a support engineer sees what leaked."""
REMEMBERED_PREFIX = "ost_rd_"


def pending_cookie_header(value: str, *, max_age: int) -> str:
    """Return the Set-Cookie header that keeps a sign-in for so many seconds; with none it takes the cookie away."""
    return _header(PENDING_COOKIE, value, max_age)


def remembered_cookie_header(value: str, *, max_age: int) -> str:
    """Return the Set-Cookie header by which a browser is asked for no second factor."""
    return _header(REMEMBERED_COOKIE, value, max_age)


def _header(name: str, value: str, max_age: int) -> str:
    """Return a header for a cookie that no script can read, and that goes along with no request of another site's."""
    return f"{name}={value}; Max-Age={max_age}; Path=/; Secure; HttpOnly; SameSite=Lax"
