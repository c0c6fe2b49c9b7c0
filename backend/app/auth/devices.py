"""What a user agent says it is, in words that its owner knows again. It can lie: nothing is decided by it."""

from functools import cache

from ua_parser import Parser
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

UNKNOWN = "unknown device"
_LONGEST = 100
_READ = 400
"""Characters of a user agent that are looked at."""


@cache
def device_parser() -> Parser:
    """Return the parser of browsers and systems. A server builds it before it serves.

    Its engine takes time in proportion to the text, whatever a client sends. With the names of telephones, which nobody
    asks for here, it would take 200 ms and 27 MB in place of 40 ms and 11 MB.
    """
    browsers, systems, _ = load_lazy_builtins()
    return Parser(Resolver((browsers, systems, [])))


def device_name(user_agent: str | None) -> str:
    """Return browser and system without versions, such as `Firefox on Linux`, so that an update is no new device."""
    if not user_agent:
        return UNKNOWN
    text = user_agent[:_READ]
    browser, system = device_parser().parse_user_agent(text), device_parser().parse_os(text)
    if browser is None and system is None:
        # A program of somebody's own: its name is what stands before the version.
        return text.partition("/")[0].strip()[:_LONGEST] or UNKNOWN
    name = browser.family if browser else UNKNOWN
    return (f"{name} on {system.family}" if system else name)[:_LONGEST]
