"""The question that a browser carries to the provider, and the answer that it brings back (RFC 6749, section 4.1)."""

from collections.abc import Iterable
from urllib.parse import urlencode

from app.auth.oidc.flow import Flow, same_text
from app.auth.oidc.provider import Provider, ProviderMetadata

MAXIMUM_CODE_LENGTH = 2048
_LONGEST_ERROR = 64
_NEVER = {"response_mode", "request", "request_uri"}
"""Parameters that would replace others, or bring the answer back by another way."""


class AnswerRejected(Exception):
    """The answer does not belong to this flow, or is none. The argument says why, for logs."""


class ProviderRefused(Exception):
    """The provider answered with an error to our own question: the user said no, for example."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error
        """Its code (RFC 6749, section 4.1.2.1), such as `access_denied`, in plain characters."""


def authorization_url(
    metadata: ProviderMetadata, provider: Provider, flow: Flow, redirect_uri: str, **extra: str
) -> str:
    """Return where the browser goes to ask the provider who its user is (OpenID Connect Core 1.0, section 3.1.2.1).

    Always the authorisation code with PKCE S256, state and nonce. `extra` adds parameters of the provider's own, such
    as `prompt`. Raises `ValueError` for one that would change the question itself.
    """
    question = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(provider.scopes),
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": flow.code_challenge,
        "code_challenge_method": "S256",
    }
    if extra.keys() & (question.keys() | _NEVER):
        raise ValueError("a parameter would change the question")
    separator = "&" if "?" in metadata.authorization_endpoint else "?"
    return f"{metadata.authorization_endpoint}{separator}{urlencode(question | extra)}"


def authorization_code(
    answer: Iterable[tuple[str, str]], *, flow: Flow, provider: Provider, metadata: ProviderMetadata
) -> str:
    """Return the code of an answer that belongs to this flow.

    `answer` is every parameter of the callback, as often as it came. Raises `AnswerRejected` unless the state is the
    flow's, the flow is this provider's, and the issuer, when it is named or must be, is this provider's (RFC 9207);
    `ProviderRefused` when the provider said no. What is absent is wrong.
    """
    pairs = list(answer)
    given = dict(pairs)
    if len(given) != len(pairs):
        raise AnswerRejected("a parameter came twice")
    if flow.provider != provider.name or metadata.issuer != provider.issuer:
        raise AnswerRejected("the flow belongs to another provider")
    if not same_text(given.get("state", ""), flow.state):
        raise AnswerRejected("the state is not the flow's")
    if given.get("iss", None if metadata.issuer_in_response else metadata.issuer) != metadata.issuer:
        raise AnswerRejected("the answer is not this provider's")
    if "error" in given:
        raise ProviderRefused(_plain(given["error"]))
    code = given.get("code", "")
    if not code or len(code) > MAXIMUM_CODE_LENGTH or not code.isascii() or not code.isprintable():
        raise AnswerRejected("no code")
    return code


def _plain(error: str) -> str:
    """Return an error code that is fit for a log and for an answer: anybody can write one into a URL."""
    known = error.isascii() and error.replace("_", "").replace("-", "").isalnum() and len(error) <= _LONGEST_ERROR
    return error if known else "unknown"
