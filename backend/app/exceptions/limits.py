"""What is answered to whoever tries too often."""

from typing import ClassVar

from app.exceptions.general import Refusal, ServiceUnavailable


class RateLimited(Refusal):
    """Too many tries lately. The Retry-After header says when to try again, in seconds.

    `RateLimit-Policy` and `RateLimit` say so too, for programs (draft-ietf-httpapi-ratelimit-headers-10): `q` tries in `w`
    seconds, of which `r` are left for the next `t` seconds. Whether there is an account behind an address makes no difference.
    """

    code = "RATE_LIMITED"
    status_code = 429
    title = "Too many tries; wait a little"
    always_headers: ClassVar = {"Retry-After": "1"}

    def __init__(
        self, limit: str = "limit", *, quota: int = 1, window: int = 1, wait: int = 1, is_news: bool = False
    ) -> None:
        """`quota` tries are let through in `window` seconds; the next one is, `wait` seconds from now.

        `is_news` says that the audit log has not heard of it within the last minute.
        """
        super().__init__(f"Too many tries; try again in {wait} second{'' if wait == 1 else 's'}")
        self.is_news = is_news
        self.members["retry_after"] = wait
        self.headers["Retry-After"] = str(wait)
        self.headers["RateLimit-Policy"] = f'"{limit}";q={quota};w={window}'
        self.headers["RateLimit"] = f'"{limit}";r=0;t={wait}'


class LimitsUnavailable(ServiceUnavailable):
    """The server that counts tries does not answer. Nobody is let through uncounted."""

    code = "LIMITS_UNAVAILABLE"
    title = "Tries cannot be counted; try again in a moment"
    retry_after_seconds = 2
