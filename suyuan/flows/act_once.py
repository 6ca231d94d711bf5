"""What every signed write shares in the line: it acts once, and a retry gets the first answer, byte for byte.

In order: a nonce that was seen is refused; a request that was seen gets its first answer, or a conflict where the
same idempotency key now asks for something else; a new one is decided, and its answer kept in the same commit. A
refusal is kept like any other answer, so a retry can never flip it.

A key that was revoked is told nothing, not even an answer that it has had before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.shelves import Shelves
from suyuan.history.line import Decided, Turn
from suyuan.settle.account import EVERYTHING, Key, check_key, check_partner


class Act(Protocol):
    """A command that comes from a signed request. The marks are those of `settle.once`."""

    @property
    def key(self) -> str: ...

    @property
    def nonce_mark(self) -> bytes: ...

    @property
    def request_mark(self) -> bytes: ...

    @property
    def request_digest(self) -> bytes: ...


A = TypeVar("A", bound=Act)
_remembered = msgspec.msgpack.Encoder()


def want_once(shelves: Shelves, act: Act) -> None:
    """Which rows acting once needs."""
    shelves.once.want(act.nonce_mark, act.request_mark)
    shelves.register.keys.want(act.key)


def act_once(
    shelves: Shelves,
    act: A,
    turn: Turn,
    decide: Callable[[Shelves, A, Turn], Decided],
    recalled: msgspec.msgpack.Decoder[Any],
) -> Decided:
    """Decides a new act by `decide`, or repeats an old one's answer, which `recalled` reads."""
    if shelves.once.is_replay(act.nonce_mark, at=turn.at):
        return Decided(Refusal(Reason.request_was_replayed))
    first_answer = shelves.once.recall(act.request_mark, act.request_digest)
    if first_answer is not None:
        refusal = check_key(shelves.register.keys.get(act.key), at=turn.at)
        return Decided(refusal or _again(first_answer, recalled))
    decided = decide(shelves, act, turn)
    shelves.once.remember(act.request_mark, act.request_digest, _remembered.encode(decided.answer), at=turn.at)
    return decided


def _again(first_answer: bytes | Refusal, recalled: msgspec.msgpack.Decoder[Any]) -> msgspec.Struct:
    if isinstance(first_answer, Refusal):
        return first_answer
    answer: msgspec.Struct = recalled.decode(first_answer)
    return answer


class Actor(NamedTuple):
    """Who acts: a key that signs, and the partner that it speaks for, as its own or through its seller."""

    key: Key
    partner: str


def want_actor(shelves: Shelves, key_id: str) -> bool:
    """Which rows knowing the actor needs; those of the partner are known once the key is."""
    register = shelves.register
    register.keys.want(key_id)
    register.switches.want(EVERYTHING)
    register.switches.want(f"key:{key_id}")
    key = register.keys.peek(key_id)
    if key is None:
        return register.keys.is_absent(key_id)
    if key.owner_kind == "seller":
        register.sellers.want(key.owner)
    partner = _partner_of(shelves, key)
    if partner is None:
        return register.sellers.is_absent(key.owner)
    register.partners.want(partner)
    register.switches.want(f"partner:{partner}")
    return True


def check_actor(shelves: Shelves, key_id: str, at: int) -> Actor | Refusal:
    """Who acts, or why nobody may with this key, now."""
    register = shelves.register
    if (refusal := check_key(register.keys.get(key_id), at=at)) is not None:
        return refusal
    if register.is_stopped(EVERYTHING):
        return Refusal(Reason.platform_is_stopped)
    actor = check_speaker(shelves, key_id, at)
    if isinstance(actor, Refusal):
        return actor
    if register.is_stopped(f"partner:{actor.partner}"):
        return Refusal(Reason.partner_is_stopped)
    return check_partner(register.partners.get(actor.partner)) or actor


def check_speaker(shelves: Shelves, key_id: str, at: int) -> Actor | Refusal:
    """Whose word it is: for what only closes, such as a person's no, which no stop of any business hinders."""
    register = shelves.register
    key = register.keys.get(key_id)
    if (refusal := check_key(key, at=at)) is not None:
        return refusal
    assert key is not None, "a key that passed is there"
    if register.is_stopped(f"key:{key_id}"):
        return Refusal(Reason.key_is_stopped)
    partner = _partner_of(shelves, key)
    return Refusal(Reason.seller_is_unknown) if partner is None else Actor(key, partner)


def _partner_of(shelves: Shelves, key: Key) -> str | None:
    if key.owner_kind == "partner":
        return key.owner
    seller = shelves.register.sellers.peek(key.owner)
    return None if seller is None else seller.partner
