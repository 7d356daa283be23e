"""A language model's server for tests: real HTTP on the loopback, Chat Completions, and faults on demand.

    with LlmServer() as server:
        server.script(status(500), fills({"answer": 3}))  # one act a request, in this order
        server.always(fills({"answer": 4}))               # for every later request; without it: status 500
        ...  # ask with base_url=server.base_url
        server.bodies   # what was sent, parsed;  server.headers beside it;  texts(body), pictures(body) pick from one
        server.billed   # (tokens in, tokens out) that the server has counted so far

An act is a function of the handler and the request's body: it writes the reply. To answer by what was asked:
`server.always(lambda handler, body: fills(make(texts(body)))(handler, body))`.
"""

import base64
import json
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Self

Body = dict[str, Any]
Act = Callable[["Handler", Body], None]


class LlmServer:
    """The server and its memory; a context manager, since it must be stopped."""

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.billed = (0, 0)
        self.stopping = Event()
        self._acts: deque[Act] = deque()
        self._default: Act = status(500)
        self._lock = Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"llm": self}))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer nobody any more; the port refuses connections afterwards."""
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    @property
    def base_url(self) -> str:
        return f"http://{self.host}/v1"

    def script(self, *acts: Act) -> None:
        """Line up acts for the next requests."""
        self._acts.extend(acts)

    def always(self, act: Act) -> None:
        """Answer every request for which no act is lined up like this."""
        self._default = act

    def note(self, handler: "Handler", body: Body) -> Act:
        """Remember a request, and give the act for it."""
        with self._lock:
            self.bodies.append(body)
            self.headers.append(dict(handler.headers))
            self.paths.append(handler.path)
            return self._acts.popleft() if self._acts else self._default

    def bill(self, sent: int, received: int) -> None:
        with self._lock:
            self.billed = (self.billed[0] + sent, self.billed[1] + received)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    llm: LlmServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.close_connection = True
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self.llm.note(self, body)(self, body)
        except (BrokenPipeError, ConnectionResetError):  # whoever asked has gone
            return

    def reply(self, data: bytes, *, code: int = 200, kind: str = "application/json", **headers: str) -> None:
        """Send a whole reply; `retry_after="1"` becomes the header `retry-after`."""
        self.start(code, len(data), kind, **headers)
        self.wfile.write(data)

    def start(self, code: int, length: int, kind: str, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"content-type": kind, "content-length": str(length), "connection": "close"}.items():
            self.send_header(name, value)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def completion(text: str | None, *, usage: tuple[int, int] | None = (100, 20), **more: Any) -> Body:
    """Give the body of a completion; `finish`, `refusal` and `model` may differ from the usual."""
    message = {"role": "assistant", "content": text, "refusal": more.get("refusal")}
    body: Body = {
        "id": "c1",
        "object": "chat.completion",
        "created": 0,
        "model": more.get("model", "served-model"),
        "choices": [{"index": 0, "message": message, "finish_reason": more.get("finish", "stop")}],
    }
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return body


def says(text: str | None, *, usage: tuple[int, int] | None = (100, 20), **more: Any) -> Act:
    """Answer a text as the model's own."""

    def act(handler: Handler, body: Body) -> None:
        handler.llm.bill(*(usage or (100, 20)))
        handler.reply(json.dumps(completion(text, usage=usage, **more)).encode())

    return act


def fills(form: object, **more: Any) -> Act:
    """Answer a filled-in form."""
    return says(json.dumps(form), **more)


def status(code: int, error: Body | None = None, **headers: str) -> Act:
    """Answer an error in OpenAI's form: `error` holds message, type, code."""
    data = json.dumps({"error": {"message": "something is wrong", "type": None, "code": None} | (error or {})}).encode()
    return lambda handler, body: handler.reply(data, code=code, **headers)


def raw(data: bytes, *, code: int = 200, kind: str = "application/json", **headers: str) -> Act:
    """Answer these bytes."""
    return lambda handler, body: handler.reply(data, code=code, kind=kind, **headers)


def redirects(url: str, *, code: int = 307) -> Act:
    """Send the client elsewhere."""
    return lambda handler, body: handler.reply(b"", code=code, location=url)


def hangs() -> Act:
    """Answer nothing until the server stops."""

    def act(handler: Handler, body: Body) -> None:
        handler.llm.stopping.wait()

    return act


def drips(*, every_s: float, in_headers: bool = False) -> Act:
    """Answer a byte of white space, or of a header, now and then, for ever: what keeps a timeout from running out."""

    def act(handler: Handler, body: Body) -> None:
        if in_headers:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        else:
            handler.start(200, 10_000_000, "application/json")
        while not handler.llm.stopping.wait(every_s):
            handler.wfile.write(b" ")

    return act


def resets() -> Act:
    """Break the connection off hard."""

    def act(handler: Handler, body: Body) -> None:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return act


def cuts(form: object) -> Act:
    """Close the connection in the middle of a good reply, for which the server has billed."""

    def act(handler: Handler, body: Body) -> None:
        data = json.dumps(completion(json.dumps(form))).encode()
        handler.llm.bill(100, 20)
        handler.start(200, len(data), "application/json")
        handler.wfile.write(data[: len(data) // 2])

    return act


def texts(body: Body) -> list[str]:
    """Give all texts of a request, in order."""
    return [part["text"] for part in _parts(body) if part["type"] == "text"]


def pictures(body: Body) -> list[bytes]:
    """Give the JPEG bytes of all pictures of a request, in order."""
    return [
        base64.b64decode(part["image_url"]["url"].partition(",")[2])
        for part in _parts(body)
        if part["type"] == "image_url"
    ]


def _parts(body: Body) -> Iterator[dict[str, Any]]:
    for message in body["messages"]:
        content = message["content"]
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content
