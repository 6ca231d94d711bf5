"""One signed exchange with the platform as a dialogue without I/O: the flow yields what to do, and is sent what came.

    Ask   → Answer | Lost      carry this request
    Pause → None               wait so many seconds

Both `Platform` and `AsyncPlatform` drive the same flows, so nothing is written twice (httpx's `auth_flow` is the
model), and a test plays the platform with a list. What `exchange` promises:

1. Each try is signed anew, with a new nonce; method, address, idempotency key and body never change.
2. It tries again when nothing was decided (429, 503, a gateway's page) and when no answer came, since the idempotency
   key makes that safe, up to `tries_max` times, waiting longer each time and never less than `Retry-After` asks.
3. Only an answer that the pinned keys signed for this very try is believed. One that is not counts as none at all; a
   few of them in a row raise `BadAnswer`, because then somebody stands between, or the keys are not the right ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeVar

import msgspec

from suyuan.base import wire
from suyuan.base.clock import Clock
from suyuan.base.crypto import BadSignature, PublicKey, Signer
from suyuan.faces.sdk.records import PASSING, UNDECIDED, BadAnswer, Refused, Unreachable
from suyuan.settle.answer import check_answer
from suyuan.settle.request import sign_like_wechat, sign_request

Chance = Callable[[int], bytes]
NONCE_BYTES = 16
BAD_ANSWERS_MAX = 3
NOT_NOW = frozenset({429, 502, 503, 504})
RETRY_AFTER_MAX_S = 60.0

_SECONDS = re.compile(rb"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to carry. Its body may hold a PIN and its headers a signature, so neither is ever shown."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pause:
    """So many seconds to wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, to be believed only once it is checked."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    content: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came. `why` is for people and names no value."""

    why: str


Step: TypeAlias = Ask | Pause
Came: TypeAlias = Answer | Lost | None
Said = TypeVar("Said")
Flow: TypeAlias = Generator[Step, Came, Said]
Known = TypeVar("Known", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to go on asking. Waiting grows from the first to the longest wait, each shortened by chance."""

    tries_max: int = 8
    first_wait_s: float = 0.25
    wait_max_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Session:
    """Who asks whom: everything that each exchange needs."""

    origin: str
    """The platform's public address, which is what is signed, however the request travels."""
    key_id: str
    signer: Signer = field(repr=False)
    keys: Mapping[str, PublicKey]
    clock: Clock
    chance: Chance = field(repr=False)
    patience: Patience = Patience()
    dialect: Literal["rfc9421", "wechat"] = "rfc9421"
    merchant_id: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked for, whichever try it is. A read has neither body nor idempotency key."""

    method: str
    target: str
    body: bytes = field(default=b"", repr=False)
    idempotency_key: str | None = None


def exchange(session: Session, call: Call, known: type[Known]) -> Flow[Known | Refused]:
    """Asks until the platform decides. Raises `BadAnswer` and `Unreachable`."""
    content = yield from exchange_bytes(session, call)
    if isinstance(content, Refused):
        return content
    return read_answer(content, known)


def exchange_bytes(session: Session, call: Call) -> Flow[bytes | Refused]:
    """The same, for an answer whose very bytes count."""
    lost, bad_answers = Lost("it was not asked"), 0
    for tries_left in reversed(range(session.patience.tries_max)):
        nonce = wire.b64(session.chance(NONCE_BYTES))
        came = yield Ask(
            call.method, call.target, _headers(session, call, nonce, is_suspicious=bad_answers > 0), call.body
        )
        assert came is not None, "a request is answered or lost"
        said = came if isinstance(came, Lost) else _believed(session, came, nonce)
        if isinstance(said, bytes):
            return said
        if isinstance(said, Refused) and (said.code not in PASSING or not tries_left):
            return said
        if isinstance(said, BadSignature):
            bad_answers += 1
            _refuse_many(session, bad_answers, said)
        lost = said if isinstance(said, Lost) else lost
        if tries_left:
            yield Pause(_wait_s(session, session.patience.tries_max - tries_left - 1, came))
    raise Unreachable(
        f"{session.origin} gave no answer to {session.patience.tries_max} tries ({lost.why}); what was asked may"
        " have been done, so ask again with the same idempotency key"
    )


def _refuse_many(session: Session, bad_answers: int, bad: BadSignature) -> None:
    if bad_answers == BAD_ANSWERS_MAX:
        raise BadAnswer(f"what {session.origin} answers is not signed for us by its pinned keys: {bad}")


def read_answer(content: bytes, known: type[Known]) -> Known:
    """A believed answer as a record. Raises `BadAnswer`, because a signature does not make sense of nonsense."""
    try:
        return msgspec.json.decode(content, type=known)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswer(f"the platform's answer is no {known.__name__}: {error}") from error


def _headers(session: Session, call: Call, nonce: str, *, is_suspicious: bool) -> dict[str, str]:
    uri = session.origin + call.target
    if session.dialect == "wechat":
        signed = sign_like_wechat(
            call.method, uri, call.body, key_id=session.key_id, merchant_id=session.merchant_id,
            signer=session.signer, nonce=nonce, now=session.clock.now(), idempotency_key=call.idempotency_key,
        )  # fmt: skip
    else:
        signed = sign_request(
            call.method, uri, call.body, key_id=session.key_id, signer=session.signer, nonce=nonce,
            now=session.clock.now(), idempotency_key=call.idempotency_key,
        )  # fmt: skip
    if call.body:
        signed["content-type"] = "application/json"
    if is_suspicious:
        # A connection that is out of step would stay so: its next answer belongs to the question before.
        signed["connection"] = "close"
    return signed


def _believed(session: Session, answer: Answer, nonce: str) -> bytes | Refused | Lost | BadSignature:
    """What the platform said. Something between us and it may say "not now" unsigned; that costs patience only."""
    try:
        check_answer(answer.status, answer.headers, answer.content, keys=session.keys, nonce=nonce)
    except BadSignature as bad:
        return Lost(f"HTTP {answer.status}") if answer.status in NOT_NOW else bad
    if answer.status < 400:
        return answer.content
    refused = _refused(answer)
    if f'nonce="{nonce}"'.encode() not in _header(answer, b"signature-input") and refused.code not in UNDECIDED:
        # Refusals without our nonce could be old ones, kept and played again to hide that a card was taken.
        return BadSignature("a decision came that names no request")
    return refused


class _Problem(msgspec.Struct, frozen=True):
    """An RFC 9457 problem document."""

    code: str
    detail: str = ""
    detail_zh: str = ""
    where: str = ""


def _refused(answer: Answer) -> Refused:
    problem = read_answer(answer.content, _Problem)
    return Refused(problem.code, answer.status, problem.detail, problem.detail_zh, problem.where)


def _wait_s(session: Session, tried: int, came: Answer | Lost) -> float:
    """Twice as long each time, less up to a half by chance, so that many who were refused do not return as one."""
    patience = session.patience
    longest_s = min(patience.wait_max_s, patience.first_wait_s * (1 << tried))
    share = int.from_bytes(session.chance(2)) / 0xFFFF
    asked = _header(came, b"retry-after") if isinstance(came, Answer) else b""
    asked_s = min(float(asked), RETRY_AFTER_MAX_S) if _SECONDS.fullmatch(asked) else 0.0
    return max(asked_s, longest_s * (1 - share / 2))


def _header(answer: Answer, name: bytes) -> bytes:
    return next((value for raw, value in answer.headers if raw.lower() == name), b"")
