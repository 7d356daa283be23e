"""The door to the language model against a real server: every fault ends as it should, and nothing is paid twice."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel, Field

from generation.allowance import LlmSettings
from generation.attempt import NoAnswer
from generation.calls import Calls
from generation.chat import Chat
from generation.question import data_uri
from generation.rehearsal import Rehearsal
from tests.llm_server import (
    Act,
    LlmServer,
    completion,
    cuts,
    drips,
    fills,
    hangs,
    pictures,
    raw,
    redirects,
    resets,
    says,
    status,
    texts,
)
from training.errors import CurateError, DamagedFile, LlmBudget, LlmUnavailable

KEY = "sk-canary-0123456789abcdef"
ROOT = Path(__file__).parents[2]
Id = Annotated[str, Field(max_length=12)]


class Colour(BaseModel):
    colour: str = Field(max_length=20)
    share: float = Field(ge=0, le=1)
    ids: list[Id] = Field(max_length=3)


GOOD = {"colour": "red", "share": 0.5, "ids": ["a"]}
RED = Colour(colour="red", share=0.5, ids=["a"])


def jpeg(shade: int, **options: Any) -> bytes:
    file = BytesIO()
    Image.new("RGB", (16, 12), (shade, 0, 0)).save(file, "JPEG", **options)
    return file.getvalue()


@pytest.fixture
def server(llm_server: LlmServer) -> LlmServer:
    llm_server.always(fills(GOOD))
    return llm_server


def chat_with(server: LlmServer, folder: Path, api_key: str | None = KEY, **settings: Any) -> Chat:
    made = LlmSettings(**{"model": "asked-model", "base_url": server.base_url, "deadline_s": 20} | settings)
    return Chat(made, api_key, folder / "replies", folder / "calls", first_pause_s=0.01)


def ask(chat: Chat, text: str = "what colour?", smaller: tuple[str, ...] = ("shorter",)) -> Colour | NoAnswer:
    return chat.ask([text, jpeg(200)], system="You look.", schema=Colour, purpose="test", smaller=smaller)


def outcome(chat: Chat, text: str = "what colour?", smaller: tuple[str, ...] = ("shorter",)) -> str:
    """Give how a question ended, in a word."""
    try:
        answer = ask(chat, text, smaller)
    except CurateError as error:
        assert_no_key(repr(error), str(error), error.hint)
        return type(error).__name__ if error.exit_code == 4 and error.hint else "an error without a hint"
    assert_no_key(repr(answer))
    return answer.kind if isinstance(answer, NoAnswer) else "answer"


def assert_no_key(*said: str) -> None:
    assert not [words for words in said if KEY in words or KEY[-10:] in words]


def wordy(found: object) -> dict[str, Any]:
    return {"message": f"your key {KEY} is odd", "code": found}


@dataclass
class Fault:
    acts: list[Act]
    """One a request; later requests get a good answer."""
    ends: str
    """`answer`, a kind of `NoAnswer`, or the name of an error."""
    requests: int
    unsettled: int = 0
    """Calls that are charged at the most that they can have cost."""
    deadline_s: float = 20
    smaller: tuple[str, ...] = ("shorter",)


LONG = status(400, {"message": "maximum context length is 4096 tokens", "code": "context_length_exceeded"})
PROSE = says("It is red, I think.")
WRONG = fills({"colour": "red"})
FAULTS = {
    "1 busy for a moment": Fault([status(429, retry_after="0.02")], "answer", 2),
    "1 busy for a moment, in milliseconds": Fault([status(429, retry_after_ms="20")], "answer", 2),
    "2 busy for ten minutes": Fault([status(429, retry_after="600")], "LlmUnavailable", 1),
    "2 busy until a date": Fault([status(429, retry_after="Fri, 01 Jan 2100 00:00:00 GMT")], "LlmUnavailable", 1),
    "2 busy without a word": Fault([status(429)] * 3, "LlmUnavailable", 3),
    "2 busy for NaN": Fault([status(429, retry_after="nan")], "answer", 2),
    "3 quota used up": Fault([status(429, {"code": "insufficient_quota"})], "LlmUnavailable", 1),
    "3 payment wanted": Fault([status(402)], "LlmUnavailable", 1),
    "4 error of the server, then well": Fault([status(500), status(503)], "answer", 3, unsettled=2),
    "4 error of the server for ever": Fault([status(500)] * 9, "no reply", 3, unsettled=3),
    "4 error nested without end": Fault([raw(b"[" * 500_000, code=500)] * 9, "no reply", 3, unsettled=3),
    "4 error that is a page": Fault([raw(b"<html>502</html>", kind="text/html", code=502)], "answer", 2, unsettled=1),
    "5 key refused": Fault([status(401, wordy("invalid_api_key"))], "LlmUnavailable", 1),
    "5 key not allowed": Fault([status(403, wordy(None))], "LlmUnavailable", 1),
    "5 no such model": Fault([status(404, wordy("model_not_found"))], "LlmUnavailable", 1),
    "6 too long, smaller fits": Fault([LONG], "answer", 2),
    "6 too long, smaller too": Fault([LONG] * 9, "too long", 2),
    "6 too long, nothing smaller": Fault([LONG], "too long", 1, smaller=()),
    "6 too large a body": Fault([status(413)], "answer", 2),
    "6 bad request": Fault([status(400, wordy("odd_parameter"))], "bad request", 1),
    "7 never answers": Fault([hangs()], "no reply", 1, unsettled=1, deadline_s=0.4),
    "8 drips": Fault([drips(every_s=0.05)], "no reply", 1, unsettled=1, deadline_s=0.4),
    "8 drips headers": Fault([drips(every_s=0.05, in_headers=True)], "no reply", 1, unsettled=1, deadline_s=0.4),
    "9 connection reset": Fault([resets()], "answer", 2, unsettled=1),
    "9 connection reset for ever": Fault([resets()] * 9, "no reply", 3, unsettled=3),
    "10 body cut": Fault([cuts(GOOD)], "answer", 2, unsettled=1),
    "11 HTML": Fault([raw(b"<html>Welcome</html>", kind="text/html")], "protocol", 1, unsettled=1),
    "12 broken JSON": Fault([raw(b'{"choices": [')], "protocol", 1, unsettled=1),
    "12 not an object": Fault([raw(b"[1]")], "protocol", 1, unsettled=1),
    "12 not Unicode": Fault([raw(b'"\xff"')], "protocol", 1, unsettled=1),
    "13 prose, then the form": Fault([PROSE], "answer", 2),
    "13 prose for ever": Fault([PROSE] * 9, "not the form", 2),
    "14 wrong schema, then right": Fault([WRONG], "answer", 2),
    "14 wrong schema for ever": Fault([WRONG] * 9, "not the form", 2),
    "14 nested without end": Fault([says("[" * 60_000)] * 9, "not the form", 2),
    "15 cut, then enough room": Fault([says('{"col', finish="length")], "answer", 2),
    "15 cut for ever": Fault([says('{"col', finish="length")] * 9, "cut", 2),
    "15 cut, then prose, then the form": Fault([says('{"col', finish="length"), PROSE], "answer", 3),
    "16 content filter": Fault([says(None, finish="content_filter")], "filtered", 1),
    "16 content filter as an error": Fault([status(400, {"code": "content_filter"})], "filtered", 1),
    "17 refusal": Fault([says(None, refusal="I will \x1b[31mnot")], "refused", 1),
    "18 empty": Fault([says("")], "empty", 1),
    "18 null": Fault([says(None)], "empty", 1),
    "19 no choices": Fault([raw(b'{"choices": []}')], "protocol", 1, unsettled=1),
    "20 choices null": Fault([raw(b'{"choices": null}')], "protocol", 1, unsettled=1),
    "21 30 MB": Fault([fills(GOOD | {"colour": "x" * 30_000_000})], "too large", 1, unsettled=1),
    "21 70 kB": Fault([fills(GOOD | {"colour": "x" * 70_000})], "too large", 1),
    "21 30 MB of error": Fault([status(400, {"message": "x" * 30_000_000})], "too large", 1, unsettled=1),
    "21 compressed": Fault([raw(b"x", content_encoding="gzip")], "protocol", 1, unsettled=1),
    "22 NaN": Fault([fills(GOOD | {"share": float("nan")})] * 9, "not the form", 2),
    "22 beyond a double": Fault([says('{"colour": "red", "share": 1e999, "ids": []}')] * 9, "not the form", 2),
    "22 out of range": Fault([fills(GOOD | {"share": 1.5})] * 9, "not the form", 2),
    "22 surrogate": Fault([fills(GOOD | {"colour": "\ud800"})] * 9, "not the form", 2),
    "23 no usage": Fault([fills(GOOD, usage=None)], "answer", 1, unsettled=1),
    "23 odd usage": Fault([fills(GOOD, usage=(-5, 3))], "answer", 1, unsettled=1),
    "24 redirect to another address": Fault([redirects("http://127.0.0.1:9/v1")], "LlmUnavailable", 1, unsettled=1),
    "24 redirect to no address": Fault([redirects("http://[::1")], "LlmUnavailable", 1, unsettled=1),
    "24 redirect to the same address": Fault([redirects("/v2/chat/completions")], "answer", 2),
    "24 redirects for ever": Fault([redirects("/v1/chat/completions")] * 99, "no reply", 12, unsettled=3),
    "26 ids that do not exist": Fault([fills(GOOD | {"ids": ["ghost", "ghost", "a"]})], "answer", 1),
    "26 more ids than asked": Fault([fills(GOOD | {"ids": ["a"] * 4})] * 9, "not the form", 2),
    "reply repeats the key": Fault([fills(GOOD | {"colour": KEY[:20]}, model=KEY)], "protocol", 1, unsettled=1),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_ends_as_it_should(name: str, server: LlmServer, tmp_path: Path) -> None:
    fault = FAULTS[name]
    server.script(*fault.acts)
    chat = chat_with(server, tmp_path, deadline_s=fault.deadline_s)
    assert outcome(chat, smaller=fault.smaller) == fault.ends
    spent = chat.spending()
    assert len(server.bodies) == fault.requests
    assert spent.unsettled == fault.unsettled
    assert spent.input_tokens >= server.billed[0]
    assert spent.output_tokens >= server.billed[1]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_a_wait_that_was_asked_for_is_told(server: LlmServer, tmp_path: Path) -> None:
    server.script(status(429, retry_after="0.05"))
    chat = chat_with(server, tmp_path)
    ask(chat)
    assert chat.spending().waited_s == 0.05


def test_a_long_wait_says_when_to_come_back(server: LlmServer, tmp_path: Path) -> None:
    server.script(status(429, retry_after="600"))
    with pytest.raises(LlmUnavailable) as caught:
        ask(chat_with(server, tmp_path))
    assert "after 600 s" in caught.value.hint


def test_the_smaller_form_is_what_is_asked_when_the_question_is_too_long(server: LlmServer, tmp_path: Path) -> None:
    server.script(LONG)
    ask(chat_with(server, tmp_path))
    assert texts(server.bodies[1]) == ["You look.", "shorter"]
    ask(chat_with(server, tmp_path))
    assert len(server.bodies) == 2, "the reply is stored for the question that was meant"
    (path,) = (tmp_path / "replies").iterdir()
    assert json.loads(path.read_text())["shortened"] is True


def test_a_cut_answer_gets_twice_the_room(server: LlmServer, tmp_path: Path) -> None:
    server.script(says("{", finish="length"))
    ask(chat_with(server, tmp_path, max_output_tokens=700))
    assert [body["max_completion_tokens"] for body in server.bodies] == [700, 1400]


def test_the_model_is_shown_what_does_not_fit(server: LlmServer, tmp_path: Path) -> None:
    server.script(WRONG)
    ask(chat_with(server, tmp_path))
    first, second = (body["messages"] for body in server.bodies)
    assert second[: len(first)] == first
    assert second[-2]["content"] == json.dumps({"colour": "red"})
    assert "share: Field required" in second[-1]["content"]


def test_five_useless_replies_in_a_row_end_it_and_no_more_is_asked(server: LlmServer, tmp_path: Path) -> None:
    server.always(status(500))
    chat = chat_with(server, tmp_path)
    ends = [outcome(chat, f"question {number}") for number in range(4)]
    assert ends == ["no reply", "LlmUnavailable", "LlmUnavailable", "LlmUnavailable"]
    assert len(server.bodies) == 5


def test_a_good_answer_starts_the_count_of_failures_anew(server: LlmServer, tmp_path: Path) -> None:
    chat = chat_with(server, tmp_path)
    for number in range(6):
        server.script(status(500), fills(GOOD))
        assert outcome(chat, f"question {number}") == "answer"


def test_refusals_do_not_count_as_failures(server: LlmServer, tmp_path: Path) -> None:
    server.always(says(None, refusal="no"))
    chat = chat_with(server, tmp_path)
    assert {outcome(chat, f"question {number}") for number in range(7)} == {"refused"}


def test_a_refused_key_is_not_tried_again(server: LlmServer, tmp_path: Path) -> None:
    server.always(status(401))
    chat = chat_with(server, tmp_path)
    assert [outcome(chat, "one"), outcome(chat, "two")] == ["LlmUnavailable"] * 2
    assert len(server.bodies) == 1


def test_what_a_server_says_about_the_key_is_not_shown(server: LlmServer, tmp_path: Path) -> None:
    server.script(status(401, {"message": "Incorrect API key provided: sk-ca****cdef"}))
    with pytest.raises(LlmUnavailable) as caught:
        ask(chat_with(server, tmp_path))
    assert "sk-ca" not in str(caught.value)
    assert "OPENAI_API_KEY" in caught.value.hint


@pytest.mark.parametrize("key", ["sk with space", "sk-newline\n", "sk-ünicode", "\x1b[31m"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key: str, server: LlmServer, tmp_path: Path) -> None:
    with pytest.raises(LlmUnavailable) as caught:
        chat_with(server, tmp_path, api_key=key)
    assert key not in str(caught.value)


def test_a_second_ask_is_free_and_needs_neither_network_nor_key(tmp_path: Path) -> None:
    with LlmServer() as server:
        server.script(fills(GOOD))
        assert ask(chat_with(server, tmp_path)) == RED
    later = chat_with(server, tmp_path, api_key=None)
    assert ask(later) == RED
    assert later.spending().replayed == 1
    assert later.spending().calls == 1
    with pytest.raises(LlmUnavailable, match="no key"):
        ask(later, "another question")


def test_a_refusal_is_stored_like_an_answer(server: LlmServer, tmp_path: Path) -> None:
    server.script(says(None, refusal="I will \x1b[31mnot"))
    answers = [ask(chat_with(server, tmp_path)) for _ in range(2)]
    assert answers[0] == answers[1]
    assert isinstance(answers[0], NoAnswer)
    assert answers[0].reason.isprintable()
    assert len(server.bodies) == 1


def in_a_child(folder: Path, base_url: str, then: str = "") -> subprocess.Popen[bytes]:
    """Ask the plainest question in a process of its own, without a key that is worth anything."""
    script = f"""
        import sys
        from pathlib import Path
        from pydantic import BaseModel
        from generation.allowance import LlmSettings
        from generation.chat import Chat

        class Plain(BaseModel):
            colour: str

        folder = Path({str(folder)!r})
        settings = LlmSettings(model="asked-model", base_url={base_url!r}, max_output_tokens=500)
        chat = Chat(settings, "ollama", folder / "replies", folder / "calls")
        answer = chat.ask(["what colour?"], system="You look.", schema=Plain, purpose="test")
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script) + then], cwd=ROOT)


class Plain(BaseModel):
    colour: str


def test_a_replay_loads_no_client(server: LlmServer, tmp_path: Path) -> None:
    chat_with(server, tmp_path).ask(["what colour?"], system="You look.", schema=Plain, purpose="test")
    check = 'assert answer == Plain(colour="red"); assert not {"openai", "httpx2"} & set(sys.modules)'
    assert in_a_child(tmp_path, server.base_url, check).wait() == 0
    assert len(server.bodies) == 1


OTHERWISE: dict[str, Callable[[Chat], object]] = {
    "text": lambda chat: ask(chat, "another question"),
    "picture": lambda chat: chat.ask(["what colour?", jpeg(100)], system="You look.", schema=Colour, purpose="test"),
    "system": lambda chat: chat.ask(["what colour?", jpeg(200)], system="Look!", schema=Colour, purpose="test"),
    "form": lambda chat: chat.ask(["what colour?", jpeg(200)], system="You look.", schema=Narrow, purpose="test"),
    "model": lambda chat: ask(Chat(chat.settings.model_copy(update={"model": "m2"}), KEY, chat.replies, chat.calls)),
}


class Narrow(BaseModel):
    colour: str = Field(max_length=10)
    share: float = Field(ge=0, le=1)
    ids: list[Id] = Field(max_length=3)


@pytest.mark.parametrize("what", OTHERWISE)
def test_another_question_is_asked_anew(what: str, server: LlmServer, tmp_path: Path) -> None:
    chat = chat_with(server, tmp_path)
    ask(chat)
    OTHERWISE[what](chat)
    assert len(server.bodies) == 2


def test_the_model_that_answered_is_written_down(server: LlmServer, tmp_path: Path) -> None:
    server.script(fills(GOOD, model="another\x1b model"))
    ask(chat_with(server, tmp_path))
    (path,) = (tmp_path / "replies").iterdir()
    stored = json.loads(path.read_text())
    assert (stored["model"], stored["served_by"]) == ("asked-model", "another\\x1b model")


@pytest.mark.parametrize("folder", ["replies", "calls"])
@pytest.mark.parametrize("damage", ["cut", "empty", "changed"])
def test_a_damaged_file_is_noticed(folder: str, damage: str, server: LlmServer, tmp_path: Path) -> None:
    ask(chat_with(server, tmp_path))
    (path,) = (tmp_path / folder).iterdir()
    whole = path.read_text()
    changed = whole.replace("red", "rot").replace('"number": 1', '"number": 7')
    path.write_text({"cut": whole[:-20], "empty": "", "changed": changed}[damage])
    with pytest.raises(DamagedFile):
        ask(chat_with(server, tmp_path))
    assert len(server.bodies) == 1


def test_a_call_is_written_down_before_it_is_sent(server: LlmServer, tmp_path: Path) -> None:
    seen = []

    def look(handler: Any, body: Any) -> None:
        seen.extend(json.loads(path.read_text())["outcome"] for path in (tmp_path / "calls").iterdir())
        fills(GOOD)(handler, body)

    server.script(look)
    ask(chat_with(server, tmp_path))
    assert seen == ["open"]


@pytest.mark.timeout(60)
def test_a_call_of_a_killed_process_counts_as_spent(server: LlmServer, tmp_path: Path) -> None:
    server.script(hangs())
    child = in_a_child(tmp_path, server.base_url)
    while not server.bodies and child.poll() is None:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    spent = chat_with(server, tmp_path).spending()
    assert (spent.calls, spent.unsettled, spent.output_tokens) == (1, 1, 500)
    assert spent.input_tokens > 300
    with pytest.raises(LlmBudget):
        ask(chat_with(server, tmp_path, max_calls=1))


def test_the_most_calls_hold_for_every_try(server: LlmServer, tmp_path: Path) -> None:
    server.always(status(500))
    assert outcome(chat_with(server, tmp_path, max_calls=2)) == "LlmBudget"
    assert len(server.bodies) == 2


def test_a_call_that_could_cost_too_much_is_not_made(server: LlmServer, tmp_path: Path) -> None:
    chat = chat_with(server, tmp_path, max_tokens=5000, max_output_tokens=1000)
    assert outcome(chat) == "answer", "what the server counted takes the place of what was set aside"
    assert outcome(chat, "x" * 500) == "LlmBudget"
    assert len(server.bodies) == 1
    assert chat.spending().calls == 1


@pytest.mark.timeout(60)
def test_no_number_of_threads_spends_more_than_the_budget(server: LlmServer, tmp_path: Path) -> None:
    chances = np.random.default_rng(0)
    counts = [None, (10, 10), (4000, 900), (900, 20)]
    server.script(*(fills(GOOD, usage=counts[chance]) for chance in chances.integers(0, 4, 200)))
    chat = chat_with(server, tmp_path, max_tokens=60_000, max_output_tokens=1000)

    def work(worker: int) -> None:
        for number in range(20):
            outcome(chat, f"question {number} of {worker}")

    threads = [Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = chat.spending()
    assert sum(server.billed) <= spent.input_tokens + spent.output_tokens <= 60_000
    assert 10 < len(server.bodies) == spent.calls < 80
    assert chat_with(server, tmp_path).spending().model_copy(update={"replayed": 0}) == spent


def test_money_is_shown_where_prices_are_set(server: LlmServer, tmp_path: Path) -> None:
    server.always(fills(GOOD, usage=(31_204, 2310)))
    chat = chat_with(server, tmp_path, input_price=0.5, output_price=2.0)
    ask(chat)
    ask(chat)
    assert chat.spending().words() == "1 call, 31,204 tokens sent, 2,310 received, cost 0.0202; 1 replayed"
    plain = chat_with(server, tmp_path)
    assert plain.spending().words() == "1 call, 31,204 tokens sent, 2,310 received"


@pytest.mark.timeout(60)
def test_no_variable_of_the_environment_can_redirect(
    server: LlmServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LlmServer() as decoy:
        decoy.always(fills(GOOD))
        headers = "Authorization: Bearer stolen\nHost: decoy.example\nContent-Length: 3\nX-Leak: leak"
        variables = {"OPENAI_API_KEY": "sk-of-the-environment", "OPENAI_ADMIN_KEY": "admin", "OPENAI_ORG_ID": "org"}
        variables |= {"OPENAI_BASE_URL": decoy.base_url, "OPENAI_PROJECT_ID": "p", "OPENAI_CUSTOM_HEADERS": headers}
        proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
        for name, value in (variables | dict.fromkeys(proxies, f"http://{decoy.host}")).items():
            monkeypatch.setenv(name, value)
        assert ask(chat_with(server, tmp_path)) == RED
        assert decoy.bodies == []
    sent = {name.lower(): value for name, value in server.headers[0].items()}
    assert sent.pop("content-length").isdigit()
    assert sent == {
        "host": server.host,
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "curate",
    }


def test_a_foreign_address_gets_no_request_by_redirect(server: LlmServer, tmp_path: Path) -> None:
    with LlmServer() as decoy:
        server.script(redirects(f"{decoy.base_url}/chat/completions"))
        with pytest.raises(LlmUnavailable, match=decoy.host):
            ask(chat_with(server, tmp_path))
        assert decoy.bodies == []


def test_a_server_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    with LlmServer() as server:
        pass
    chat = chat_with(server, tmp_path)
    assert outcome(chat) == "no reply"
    assert (chat.spending().input_tokens, chat.spending().unsettled) == (0, 0)


def test_the_key_is_in_no_representation(server: LlmServer, tmp_path: Path) -> None:
    chat = chat_with(server, tmp_path)
    ask(chat)
    assert_no_key(repr(chat), str(chat), repr(chat.spending()), repr(chat.settings))


def test_a_rehearsal_writes_exactly_what_would_be_sent(server: LlmServer, tmp_path: Path) -> None:
    settings = LlmSettings(model="asked-model", base_url=server.base_url)
    rehearsal = Rehearsal(settings, tmp_path / "dry")
    answer = rehearsal.ask(["what colour?", jpeg(200)], system="You look.", schema=Colour, purpose="test")
    assert answer.kind == "dry run"
    assert server.bodies == []
    ask(chat_with(server, tmp_path))
    written = json.loads((tmp_path / "dry/001.json").read_text())
    link = written["messages"][1]["content"][1]["image_url"]
    assert pictures(server.bodies[0]) == [(tmp_path / "dry" / link["url"]).read_bytes()]
    link["url"] = data_uri(jpeg(200))
    assert written == server.bodies[0]


def test_the_answer_is_bound_to_a_strict_schema(server: LlmServer, tmp_path: Path) -> None:
    ask(chat_with(server, tmp_path))
    form = server.bodies[0]["response_format"]["json_schema"]
    assert form["strict"] is True
    assert form["schema"]["required"] == ["colour", "share", "ids"]
    assert form["schema"]["additionalProperties"] is False


def test_pictures_are_sent_without_metadata_or_not_at_all(server: LlmServer, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    for bad in (jpeg(1, exif=exif), jpeg(1, comment=b"by me"), b"\x89PNG\r\n", b"", b"\xff\xd8\xff"):
        with pytest.raises(ValueError, match="picture"):
            chat_with(server, tmp_path).ask([bad], system="s", schema=Colour, purpose="test")
    assert server.bodies == []


def test_the_call_journal_of_a_round_is_read_back_as_written(tmp_path: Path) -> None:
    settings = LlmSettings(model="m")
    calls = Calls(tmp_path, settings)
    first = calls.reserve(request_id="a", purpose="p", max_input_tokens=10, max_output_tokens=5)
    calls.reserve(request_id="b", purpose="p", max_input_tokens=20, max_output_tokens=5)
    calls.settle(first, outcome="answer", counted=(3, 2))
    assert Calls(tmp_path, settings).all() == calls.all()
    assert [call.tokens for call in calls.all()] == [(3, 2), (20, 5)]


def test_the_servers_own_completion_is_one_of_the_clients(server: LlmServer) -> None:
    """The server of these tests speaks the protocol: the client's own strict type reads what it sends."""
    from openai.types.chat import ChatCompletion

    read = ChatCompletion.model_validate(completion(json.dumps(GOOD)), strict=True)
    assert read.choices[0].message.content == json.dumps(GOOD)
