"""What the language model may cost: its settings, and the arithmetic of calls, tokens and money."""

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from training.records import Record

TOKENS_PER_PRICE = 1_000_000


class LlmSettings(Record):
    """The language model, and what a round may spend on it."""

    model: str = Field(min_length=1, max_length=200)
    """Name of the model as its server knows it; it must be able to see pictures."""
    base_url: str = "https://api.openai.com/v1"
    """Address of a server that speaks Chat Completions with structured outputs (OpenAI, vLLM, Ollama)."""
    deadline_s: float = Field(120.0, gt=0, le=3600)
    """Longest wait for one question, repeated tries and pauses included."""
    max_calls: int = Field(60, ge=1, le=100_000)
    """Most requests of a round, tries counted."""
    max_tokens: int = Field(400_000, ge=1)
    """Most tokens of a round, sent and received together."""
    max_output_tokens: int = Field(4000, ge=16, le=100_000)
    """Most tokens of one reply; where a reply is cut, it is asked for once more with twice the room."""
    picture_tokens: int = Field(3000, ge=1)
    """Tokens set aside for one picture before a call; what the server counts takes their place."""
    detail: Literal["low", "auto"] = "low"
    """How closely the model looks at pictures; `low` sees 512 pixels."""
    input_price: float | None = Field(None, ge=0)
    """Price of a million tokens sent; without prices, calls and tokens are shown alone."""
    output_price: float | None = Field(None, ge=0)
    """Price of a million tokens received."""
    max_tagged: int = Field(240, ge=20, le=5000)
    """Most crops that are tagged for one visual attribute; fewer show only large effects."""
    blur_classes: tuple[str, ...] = ()
    """Classes whose boxes are washed out to a few mean colours before a picture leaves this machine."""

    @field_validator("base_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not re.fullmatch(r"[\w.:\-]+", parts.hostname or "", re.A):
            raise ValueError("must be an http or https address")
        if parts.port == 0:  # reading it also refuses what is no port
            raise ValueError("must have a port from 1 to 65535")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must hold no user, password, query or fragment: the key comes from the environment")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _has_both_prices(self) -> Self:
        if (self.input_price is None) != (self.output_price is None):
            raise ValueError("give input_price and output_price together, or neither")
        return self

    @property
    def server(self) -> str:
        """Where questions go: host and port."""
        return urlsplit(self.base_url).netloc

    def cost(self, *, input_tokens: int, output_tokens: int) -> float | None:
        """Give what tokens cost, None without prices."""
        if self.input_price is None or self.output_price is None:
            return None
        return (input_tokens * self.input_price + output_tokens * self.output_price) / TOKENS_PER_PRICE


class Spending(Record):
    """What a round has spent on the language model."""

    calls: int
    """Requests sent, tries counted."""
    input_tokens: int
    output_tokens: int
    unsettled: int
    """Calls charged at the most that they can have cost: killed, cut off, or answered without a count."""
    cost: float | None
    """None without prices."""
    replayed: int
    """Questions of this process that a stored reply answered, at no cost."""
    waited_s: float
    """Pauses of this process between tries."""

    def words(self) -> str:
        """Give the line for the screen: `7 calls, 31,204 tokens sent, 2,310 received, cost 0.0213; 3 replayed`."""
        tokens = f"{self.input_tokens:,} tokens sent, {self.output_tokens:,} received"
        said = [f"{_counted(self.calls, 'call')}, {tokens}" + ("" if self.cost is None else f", cost {self.cost:.4f}")]
        if self.replayed:
            said.append(f"{self.replayed} replayed")
        if self.unsettled:
            said.append(f"{_counted(self.unsettled, 'call')} charged at the most that it can have cost")
        if self.waited_s >= 1:
            said.append(f"{self.waited_s:.0f} s of pauses")
        return "; ".join(said)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
