"""What the one outbound client asks for, and everything that it takes for no answer."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.exceptions import ProviderFailed, ProviderUnavailable
from app.services.federation.outbound import LARGEST_BODY, MOST_AT_ONE_HOST, Outbound, TimeLimits
from tests import misbehaving as fault
from tests.contention import at_once
from tests.misbehaving import Misbehaving, Reply, misbehaving

PATIENT = TimeLimits(connect=20, read=20, total=60, turn=60)
SECRET = "a-secret-of-ours"
THEIRS = "words-of-the-provider"


@pytest.fixture
async def server() -> AsyncIterator[Misbehaving]:
    async with misbehaving() as running:
        yield running


@pytest.fixture(scope="module")
async def outbound() -> AsyncIterator[Outbound]:
    """A client as development has it, with the patience that a busy machine needs. It reads the trust store once."""
    async with asking(PATIENT) as client:
        yield client


@asynccontextmanager
async def asking(limits: TimeLimits) -> AsyncIterator[Outbound]:
    client = Outbound(allow_loopback_http=True, limits=limits)
    try:
        yield client
    finally:
        await client.close()


async def failure(outbound: Outbound, server: Misbehaving, reply: Reply) -> ProviderFailed | ProviderUnavailable:
    """Return how an answer is refused."""
    server.replies["/it"] = reply
    try:
        await outbound.get(f"{server.url}/it")
    except (ProviderFailed, ProviderUnavailable) as refused:
        return refused
    raise AssertionError("the answer was taken")


async def reason(outbound: Outbound, server: Misbehaving, reply: Reply) -> str:
    """Return why an answer is not taken."""
    return (await failure(outbound, server, reply)).reason


# What is asked.


async def test_a_json_object_is_answered(outbound: Outbound, server: Misbehaving) -> None:
    server.replies["/it?a=b"] = fault.says(
        {"issuer": "https://a.example"}, content_type="application/json; charset=utf-8"
    )
    answer = await outbound.get(f"{server.url}/it?a=b")
    assert server.questions[0].path == "/it?a=b"
    assert answer.document == {"issuer": "https://a.example"}


async def test_a_question_says_who_asks_and_nothing_that_the_environment_adds(
    server: Misbehaving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """3.6 SSRF: neither a proxy of the environment nor a `.netrc` has a say, and no cookie is kept."""
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login somebody password {SECRET}\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    server.replies["/it"] = fault.says({}, set_cookie="session=1; Path=/")
    async with misbehaving() as trap:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, trap.url)
        async with asking(PATIENT) as outbound:
            for _ in range(2):
                await outbound.get(f"{server.url}/it")
        assert trap.questions == []
    assert [question.headers for question in server.questions] == 2 * [
        {
            "host": server.url.removeprefix("http://"),
            "user-agent": "Ostiary",
            "accept": "application/json",
            "accept-encoding": "identity",
        }
    ]


async def test_a_form_is_posted_in_the_body_alone(outbound: Outbound, server: Misbehaving) -> None:
    server.replies["/it"] = fault.says({})
    await outbound.post(f"{server.url}/it", {"code": "a b&c=ü"}, authorization="Basic eA==")
    asked = server.questions[0]
    assert (asked.method, asked.path, asked.body) == ("POST", "/it", b"code=a+b%26c%3D%C3%BC")
    assert asked.headers["authorization"] == "Basic eA=="
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_many_questions_at_once_are_answered(outbound: Outbound, server: Misbehaving) -> None:
    server.replies["/it"] = fault.says({"a": 1})
    answers = await at_once(20, lambda: outbound.get(f"{server.url}/it"))
    assert [answer.document for answer in answers] == 20 * [{"a": 1}]


# Who may be asked.


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/keys",
        "data:application/json,{}",
        "http://accounts.example.com/",
        "http://127.0.0.2/",
        "http://0.0.0.0/",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost.example.com/",
        "http://127.0.0.1@accounts.example.com/",
        "http://accounts.example.com\\@127.0.0.1/",
        "https://user:password@accounts.example.com/",
        "https://accounts.example.com/#fragment",
        "https:///keys",
        "https://accounts.example.com:99999/",
        "https://[::1/",
        "https://[v1.a]/",
        "https://xn--a.a_/",
        "https://accounts.example.com/ HTTP/1.1\r\nHost: other",
        "//accounts.example.com/",
        "keys",
        "",
    ],
)
async def test_only_https_is_asked_and_http_on_this_machine_in_development(outbound: Outbound, url: str) -> None:
    """JW-15, 3.1-12, 3.6 SSRF: no file, no other scheme, nobody in between who could listen."""
    with pytest.raises(ProviderFailed) as caught:
        await outbound.get(url)
    assert caught.value.reason == "address_refused"


async def test_http_on_this_machine_is_refused_in_production(server: Misbehaving) -> None:
    """JW-15, 3.6 SSRF: what listens on this machine is not meant for a provider to have it asked."""
    server.replies["/it"] = fault.says({})
    client = Outbound(allow_loopback_http=False)
    with pytest.raises(ProviderFailed) as caught:
        await client.get(f"{server.url}/it")
    assert caught.value.reason == "address_refused"
    assert server.questions == []
    await client.close()


async def test_a_host_that_cannot_exist_is_unavailable(outbound: Outbound) -> None:
    with pytest.raises(ProviderUnavailable) as caught:
        await outbound.get(f"https://{'a' * 64}.example.com/")
    assert caught.value.reason == "ConnectError"


async def test_a_certificate_of_nobody_we_trust_is_refused(outbound: Outbound, tmp_path: Path) -> None:
    """JW-15: https without a check of the certificate would be no more than http."""
    async with misbehaving(fault.certificate(tmp_path).context) as server:
        server.replies["/it"] = fault.says({})
        assert await reason(outbound, server, fault.says({})) == "certificate_not_trusted"
        assert server.questions == []


async def test_a_certificate_counts_when_the_operator_trusts_who_signed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authority of a company stands in the trust store of the system, or in what SSL_CERT_FILE names."""
    certificate = fault.certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    async with misbehaving(certificate.context) as server, asking(PATIENT) as outbound:
        server.replies["/it"] = fault.says({"a": 1})
        assert (await outbound.get(f"{server.url}/it")).document == {"a": 1}


async def test_a_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """3.6 SSRF: a name server that sends us elsewhere (DNS rebinding) does not have the certificate of the name."""
    certificate = fault.certificate(tmp_path, address="127.0.0.9")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    async with misbehaving(certificate.context) as server, asking(PATIENT) as outbound:
        assert await reason(outbound, server, fault.says({})) == "certificate_not_trusted"
        assert server.questions == []


# What is no answer.


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_a_redirect_is_not_followed(outbound: Outbound, server: Misbehaving, status: int) -> None:
    """JW-15, 3.1-16, 3.6-09: the address was checked; the one behind a redirect was not."""
    async with misbehaving() as trap:
        trap.replies["/it"] = fault.says({})
        assert await reason(outbound, server, fault.redirect(status, f"{trap.url}/it")) == "redirected"
        assert await reason(outbound, server, fault.redirect(status, "http://[")) == "redirected"
        assert trap.questions == []


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(fault.gzip_bomb(), "compressed", id="a gzip bomb"),
        pytest.param(fault.says({}, content_encoding="br"), "compressed", id="another encoding"),
        pytest.param(fault.says({}, content_encoding="gzip, identity"), "compressed", id="two encodings"),
        pytest.param(fault.endless(b" " * 4096), "too_large", id="a body without an end"),
        pytest.param(fault.raw(200, b" " * LARGEST_BODY + b"{}"), "too_large", id="two bytes too many"),
        pytest.param(fault.raw(200, b'{"a": "b'), "not_json", id="truncated JSON"),
        pytest.param(fault.raw(200, b""), "not_json", id="no body"),
        pytest.param(fault.raw(200, b"[]"), "not_json", id="a list"),
        pytest.param(fault.raw(200, b'{"sub": "1", "sub": "2"}'), "not_json", id="a key that comes twice"),
        pytest.param(fault.says({}, content_type="text/html"), "not_json", id="the wrong content type"),
        pytest.param(fault.says({}, content_type="application/jsonp"), "not_json", id="nearly the content type"),
        pytest.param(fault.says({}, content_type=""), "not_json", id="an empty content type"),
        pytest.param(fault.says({"error": "invalid_grant"}), "invalid_grant", id="an error with status 200"),
        pytest.param(fault.says({"error": None, "sub": "1"}), "refused", id="an empty error with status 200"),
        pytest.param(fault.says({}, 201), "refused", id="another success"),
        pytest.param(fault.says({}, 204), "refused", id="no content"),
        pytest.param(fault.says({"error": "invalid_client"}, 401), "invalid_client", id="an error of the standard"),
        pytest.param(fault.says({"error": THEIRS}, 400), "refused", id="an error of its own"),
        pytest.param(fault.says({"error": ["invalid_grant"]}, 400), "refused", id="an error of another type"),
        pytest.param(fault.raw(403, THEIRS.encode(), content_type="text/html"), "refused", id="an error page"),
        pytest.param(fault.raw(400, b" " * (LARGEST_BODY + 1)), "refused", id="a huge error"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_refused(
    outbound: Outbound, server: Misbehaving, reply: Reply, expected: str
) -> None:
    """ID-09, JW-15, 3.3-06: nothing is guessed, nothing unpacked, and no more read than a document can be long."""
    refused = await failure(outbound, server, reply)
    assert (type(refused), refused.reason) == (ProviderFailed, expected)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(fault.says({}, 500), "status_500", id="an accident"),
        pytest.param(fault.says({}, 503), "status_503", id="not now"),
        pytest.param(fault.says({}, 429), "status_429", id="too often"),
        pytest.param(fault.exactly(b""), "RemoteProtocolError", id="a closed connection"),
        pytest.param(fault.exactly(THEIRS.encode() + b"\r\n\r\n"), "RemoteProtocolError", id="no HTTP"),
        pytest.param(fault.raw(200, b"{}", content_length="9"), "RemoteProtocolError", id="a body cut short"),
        pytest.param(fault.raw(200, b"{}", x="a" * 200_000), "RemoteProtocolError", id="headers without an end"),
    ],
)
async def test_without_a_whole_answer_the_provider_is_unavailable(
    outbound: Outbound, server: Misbehaving, reply: Reply, expected: str
) -> None:
    """ID-09, JW-15: nobody knows what it would have said, so it may be asked again."""
    refused = await failure(outbound, server, reply)
    assert (type(refused), refused.reason) == (ProviderUnavailable, expected)


@pytest.mark.parametrize(
    ("limits", "reply", "expected"),
    [
        pytest.param(replace(PATIENT, read=0.2), fault.silence(), "ReadTimeout", id="silence"),
        pytest.param(replace(PATIENT, total=0.2), fault.silence(), "too_slow", id="silence for too long"),
        pytest.param(replace(PATIENT, total=0.5), fault.drip(0.02), "too_slow", id="a byte now and then"),
    ],
)
async def test_a_provider_that_hangs_holds_nobody_up(
    server: Misbehaving, limits: TimeLimits, reply: Reply, expected: str
) -> None:
    """JW-15: a slow drip satisfies every limit but that of the whole."""
    async with asking(limits) as client:
        refused = await failure(client, server, reply)
    assert (type(refused), refused.reason) == (ProviderUnavailable, expected)


async def test_only_so_many_questions_are_under_way_to_one_host(server: Misbehaving) -> None:
    """JW-15: whoever makes this server ask a provider that hangs takes no other provider from anybody."""
    answered = asyncio.Event()
    paths = [f"/{number}" for number in range(MOST_AT_ONE_HOST)]
    server.replies |= dict.fromkeys([*paths, "/it"], fault.after(answered, fault.says({})))
    async with misbehaving() as another, asking(replace(PATIENT, turn=0.1)) as client:
        another.replies["/it"] = fault.says({})
        begun = [asyncio.create_task(client.get(server.url + path)) for path in paths]
        await asyncio.gather(*map(server.until_asked, paths))
        assert await reason(client, server, server.replies["/it"]) == "too_many_questions"
        assert server.asked("/it") == 0
        await client.get(f"{another.url}/it")
        answered.set()
        await asyncio.gather(*begun)
        await client.get(f"{server.url}/it")


async def test_a_question_that_was_given_up_gives_its_turn_back(server: Misbehaving) -> None:
    """JW-15: however a question ends."""
    async with asking(replace(PATIENT, total=0.2, turn=0.1)) as client:
        ends = await at_once(MOST_AT_ONE_HOST, lambda: reason(client, server, fault.silence()))
        assert set(ends) == {"too_slow"}
        assert await reason(client, server, fault.raw(500, b"{}")) == "status_500"


async def test_nobody_listening_is_unavailable(outbound: Outbound) -> None:
    async with misbehaving() as gone:
        pass
    assert await reason(outbound, gone, fault.silence()) == "ConnectError"


def test_the_limits_are_those_that_were_promised() -> None:
    """JW-15"""
    assert TimeLimits() == TimeLimits(connect=3, read=4, total=5, turn=1)
    assert LARGEST_BODY == 256 * 1024


async def test_a_body_of_the_largest_size_is_read(outbound: Outbound, server: Misbehaving) -> None:
    server.replies["/it"] = fault.raw(200, b"{}".ljust(LARGEST_BODY))
    assert (await outbound.get(f"{server.url}/it")).document == {}


async def test_a_form_that_only_has_to_arrive_needs_no_document(outbound: Outbound, server: Misbehaving) -> None:
    server.replies["/it"] = fault.raw(200, b"", content_type="text/plain")
    await outbound.tell(f"{server.url}/it", {"token": "a"})
    server.replies["/it"] = fault.redirect(302, f"{server.url}/other")
    with pytest.raises(ProviderFailed):
        await outbound.tell(f"{server.url}/it", {"token": "a"})
    assert server.asked("/other") == 0


# Secrets.


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(fault.says({"error": THEIRS, "error_description": SECRET}, 400), id="refused"),
        pytest.param(fault.raw(200, f'{{"id_token": "{SECRET}", "{THEIRS}'.encode()), id="truncated"),
        pytest.param(fault.exactly(f"{THEIRS} {SECRET}\r\n\r\n".encode()), id="no HTTP"),
        pytest.param(fault.exactly(b""), id="closed"),
        pytest.param(fault.silence(), id="silent"),
    ],
)
async def test_a_failure_repeats_neither_what_was_sent_nor_what_was_answered(
    server: Misbehaving, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    """ID-09: logs and answers hold reasons of ours, even with every library talking."""
    for name in ("", "httpcore2", "httpx2"):
        caplog.set_level(logging.DEBUG, name)
    server.replies["/it"] = reply
    async with asking(replace(PATIENT, read=0.3)) as client:
        with pytest.raises((ProviderFailed, ProviderUnavailable)) as caught:
            await client.post(f"{server.url}/it", {"code": SECRET}, authorization=f"Basic {SECRET}")
    refused = caught.value
    assert (refused.__cause__, refused.__context__) == (None, None)
    told = "".join(traceback.format_exception(refused)) + repr(refused) + repr(vars(refused)) + caplog.text
    assert SECRET not in told
    assert THEIRS not in told


async def test_an_answer_shows_nothing_of_itself(outbound: Outbound, server: Misbehaving) -> None:
    server.replies["/it"] = fault.says({"access_token": SECRET})
    assert SECRET not in repr(await outbound.get(f"{server.url}/it"))


# How long an answer is fresh.


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"cache_control": "public, max-age=600, must-revalidate"}, 600),
        ({"cache_control": 'MAX-AGE="600"'}, 600),
        ({"cache_control": "max-age=600", "age": "500"}, 100),
        ({"cache_control": "max-age=600", "age": "900"}, 0),
        ({"cache_control": "max-age=600", "age": "soon"}, 600),
        ({"cache_control": "s-maxage=600"}, 0),
        ({"cache_control": "max-age=-600"}, 0),
        ({"cache_control": "max-age=99999999999999999999"}, 0),
        ({"cache_control": "max-age=600, no-store"}, 0),
        ({"cache_control": "no-cache, max-age=600"}, 0),
        ({"expires": "Thu, 01 Dec 2044 16:00:00 GMT"}, 0),
    ],
    ids=str,
)
async def test_an_answer_is_fresh_for_as_long_as_its_headers_say(
    outbound: Outbound, server: Misbehaving, headers: dict[str, str], seconds: int
) -> None:
    server.replies["/it"] = fault.says({}, **headers)
    assert (await outbound.get(f"{server.url}/it")).fresh_for == timedelta(seconds=seconds)
