"""The door to openai: one request, one reply, within a deadline and a size.

Nothing but the arguments decides where a request goes and what it carries: the client's environment variables, proxies
and extra headers are passed over. Nothing is retried here, for each try is paid for.
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from email.utils import parsedate_to_datetime
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from generation.allowance import LlmSettings
from generation.completion import Trouble, TroubleKind
from training.source import printable

if TYPE_CHECKING:
    import ssl

    import httpx2
    import openai

MAX_BODY_BYTES = 1_000_000
"""A larger reply is refused while it arrives: 64 kB of text with every character escaped would fit."""
MIN_KEY_LENGTH = 12
"""A shorter key (`ollama`, `none`) is a word that may stand anywhere, and no secret."""
QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
FILTER = {"content_filter", "content_policy_violation"}
TOO_LONG = ("context length", "context window", "maximum context", "too long", "context_length_exceeded")


def load_client(settings: LlmSettings) -> None:
    """Load the client library and the system's certificates, which takes seconds, before a deadline begins."""
    _client(settings, "none", 1.0).close()  # the library loads the most when the first client is made


def send(body: dict[str, Any], *, settings: LlmSettings, api_key: str, within_s: float) -> bytes | Trouble:
    """Send the body of one request and give the bytes of its reply, or the trouble that there was.

    Returns within `within_s`, whatever the server does. The request is made by a thread of its own, since the client's
    own timeout begins anew with each byte; a server that drips is cut off by closing the client under the thread.
    """
    ends_at = time.monotonic() + within_s
    client = _client(settings, api_key, within_s)
    reply: Future[bytes | Trouble] = Future()
    Thread(target=_carry, args=(reply, lambda: _exchange(client, body, api_key)), daemon=True).start()
    try:
        return reply.result(timeout=max(0.0, ends_at - time.monotonic()))
    except TimeoutError:
        return Trouble("time", "no answer within the deadline")
    finally:
        client.close()


def _carry(reply: "Future[bytes | Trouble]", make: Callable[[], bytes | Trouble]) -> None:
    try:
        reply.set_result(make())
    except BaseException as error:  # noqa: BLE001  # raised again where the thread is waited for
        reply.set_exception(error)


class _NotAdmitted(Exception):
    """A reply is refused before all of it is read."""

    def __init__(self, kind: TroubleKind, words: str) -> None:
        super().__init__(words)
        self.trouble = Trouble(kind, words)


def _client(settings: LlmSettings, api_key: str, within_s: float) -> "openai.OpenAI":
    import httpx2  # noqa: PLC0415
    import openai

    def dress(request: httpx2.Request) -> None:
        """Give a request these headers and no others: the client adds some from its environment, and about it."""
        request.headers = httpx2.Headers(
            {
                "Host": request.url.netloc.decode("ascii"),
                "Authorization": f"Bearer {api_key}",
                "Content-Type": "application/json",
                "Content-Length": str(len(request.read())),
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "curate",
            }
        )

    http = httpx2.Client(
        trust_env=False,  # no proxies; where certificates lie is still read from SSL_CERT_FILE
        verify=_certificates(),
        timeout=within_s,
        follow_redirects=True,
        max_redirects=3,
        event_hooks={"request": [dress], "response": [_admit]},
    )
    return openai.OpenAI(api_key=api_key, base_url=settings.base_url, timeout=within_s, max_retries=0, http_client=http)


@cache
def _certificates() -> "ssl.SSLContext":
    import httpx2  # noqa: PLC0415

    return httpx2.create_ssl_context()


def _admit(response: "httpx2.Response") -> None:
    """Read a reply as far as its size allows; raises `_NotAdmitted` for redirects to elsewhere and packed bodies."""
    import httpx2  # noqa: PLC0415

    target = _origin(response.headers.get("location", ""), str(response.url))
    if response.is_redirect and target != _origin(str(response.url)):
        raise _NotAdmitted("redirect", f"it redirects to {printable(target)}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _NotAdmitted("protocol", "the reply is compressed, which nobody asked for")
    body = bytearray()
    for chunk in response.stream:  # type: ignore[union-attr]  # of a synchronous client
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _NotAdmitted("too large", f"the reply is larger than {MAX_BODY_BYTES // 1000} kB")
    response.stream.close()  # type: ignore[union-attr]
    response.stream = httpx2.ByteStream(bytes(body))


def _origin(url: str, seen_from: str = "") -> str:
    """Give scheme, host and port of an address, or a word for one that is none."""
    try:
        parts = urlsplit(urljoin(seen_from, url))
    except ValueError:
        return "no address"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"


def _exchange(client: "openai.OpenAI", body: dict[str, Any], api_key: str) -> bytes | Trouble:
    import httpx2  # noqa: PLC0415
    import openai

    try:
        reply = client.post("/chat/completions", body=body, cast_to=httpx2.Response).content
    except _NotAdmitted as refused:
        return refused.trouble
    except openai.APIConnectionError as error:
        return _of_connection(error)
    except openai.APIStatusError as error:
        return _of_status(error, api_key)
    if len(api_key) >= MIN_KEY_LENGTH and api_key.encode() in reply:
        return Trouble("protocol", "the reply repeats the key, so it is not stored")
    return reply


def _of_connection(error: "openai.APIConnectionError") -> Trouble:
    import httpx2  # noqa: PLC0415
    import openai

    cause = error.__cause__
    kind: TroubleKind = "time" if isinstance(error, openai.APITimeoutError) else "connection"
    words = "no answer within the deadline" if kind == "time" else printable(f"connection failed: {cause}", 200)
    return Trouble(kind, words, free=isinstance(cause, (httpx2.ConnectError, httpx2.ConnectTimeout)))


def _of_status(error: "openai.APIStatusError", api_key: str) -> Trouble:
    """Name what the status and the code of an error stand for; the first rule that holds."""
    status, code = error.status_code, {str(error.code), str(error.type)}
    said = _said(error, api_key)
    long = any(sign in f"{error.code} {said}".lower() for sign in TOO_LONG)
    rules: tuple[tuple[TroubleKind, bool], ...] = (
        ("filtered", bool(code & FILTER)),
        ("quota", status == 402 or bool(code & QUOTA)),
        ("key", status in {401, 403}),
        ("missing", status == 404),
        ("busy", status == 429),
        ("server", status >= 500 or status in {408, 409, 425}),
        ("too long", status == 413 or (status in {400, 422} and long)),
        ("protocol", status < 400),
    )
    kind: TroubleKind = next((kind for kind, holds in rules if holds), "bad request")
    words = f"status {status}" if status == 401 or not said else f"status {status}: {said}"
    return Trouble(kind, words, wait_s=_wait_s(error.response.headers), free=400 <= status < 500)


def _said(error: "openai.APIStatusError", api_key: str) -> str:
    """Give the server's own words, in one line and without the key; a page of HTML says nothing."""
    body: Any = error.body
    words = body.get("message") if isinstance(body, dict) else None
    said = str(words or "")
    return printable(said.replace(api_key, "(key)") if len(api_key) >= MIN_KEY_LENGTH else said, 200)


def _wait_s(headers: "httpx2.Headers") -> float | None:
    """Give the seconds to wait that a reply asks for, as a number or as a date; None where it asks for none."""
    try:
        if "retry-after-ms" in headers:
            wait_s = float(headers["retry-after-ms"]) / 1000
        elif headers.get("retry-after", "").endswith("GMT"):  # against the server's own clock
            apart = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
            wait_s = apart.total_seconds()
        else:
            wait_s = float(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(wait_s, 0.0) if math.isfinite(wait_s) else None
