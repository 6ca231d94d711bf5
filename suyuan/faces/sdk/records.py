"""What the platform tells a partner, as frozen records, and the two things that a partner may not overlook.

Money is in fen, instants are in microseconds. A platform that is newer than this package may say more than is read
here; what is read keeps its meaning. An expected "no" is a `Refused` and is returned; these are raised:

    Trouble ─┬─ BadAnswer      an answer that the platform cannot be shown to have given
             └─ Unreachable    no answer at all, after patient asking

>>> Refused("daily_limit_is_reached", 403, "Today's limit is used up.", "今日额度已用完。").is_final
True
>>> Refused("platform_is_busy", 429, "Try again in a second.", "请一秒后重试。").is_final
False
"""

from __future__ import annotations

import msgspec

from suyuan.base.crypto import PublicKey
from suyuan.privacy.receipt import ReceiptPaper

PENDING, PAID, REJECTED, PAYOUT_REFUSED, REVERSED = "pending", "paid", "rejected", "payout_refused", "reversed"
IN_REVIEW, DECLINED = "in_review", "declined"

PASSING = frozenset({"platform_is_busy", "platform_is_starting", "answer_is_not_known_yet"})
"""Refusals that say "not now": nothing was decided, and the same request may be sent again."""

UNDECIDED = PASSING | {
    "route_is_unknown", "method_is_not_allowed", "body_is_too_large", "header_is_too_large", "header_is_doubled",
    "header_is_malformed", "body_came_too_slowly", "content_type_is_not_json", "signature_is_missing",
    "signature_header_is_malformed", "signature_covers_too_little", "signature_is_for_another_purpose",
    "nonce_is_malformed", "idempotency_key_is_missing", "idempotency_key_is_malformed", "signature_is_too_old",
    "signature_is_from_the_future", "signature_has_expired", "key_is_unknown", "key_is_not_active",
    "key_is_used_from_another_address", "signature_algorithm_is_not_the_keys", "content_digest_is_wrong",
    "signature_is_wrong", "platform_has_a_fault", "request_was_replayed",
}  # fmt: skip
"""Refusals of the door and of the platform itself, before its line decided: the idempotency key is still unused."""


class Trouble(Exception):
    """The platform's word is missing or not to be believed. Ask again with the same idempotency key."""


class BadAnswer(Trouble):
    """An answer came that the platform's pinned keys did not sign for this request, or that makes no sense."""


class Unreachable(Trouble):
    """No answer came. What was asked for may have been done all the same."""


class Refused(msgspec.Struct, frozen=True):
    """An expected "no" of the platform: a stable code, and the sentence to show in both languages."""

    code: str
    status: int
    sentence_en: str
    sentence_zh: str
    where: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the platform decided: the same idempotency key would get the same answer for ever."""
        return self.code not in UNDECIDED


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A redemption was taken: `face = paid + fee + rounding`, and `debt_fen` of what is paid goes to an old debt.

    Nothing is paid before `release_at` (micros, 0 for at once), nor while it is `in_review` by a person.
    """

    redemption: str
    state: str
    seq: int
    at: int
    face_fen: int
    paid: int
    fee_fen: int
    rounding_fen: int
    debt_fen: int
    value_kind: str
    release_at: int = 0


class RedemptionState(Pending, frozen=True, kw_only=True):
    """How a redemption stands. `reference` is the payout channel's, once paid."""

    changed_at: int
    reference: str

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way any more; a reversal may still come, from the operator."""
        return self.state not in (PENDING, IN_REVIEW)


class Page(msgspec.Struct, frozen=True):
    """Redemptions, the newest last; `next` continues the list and is None at its end."""

    redemptions: tuple[RedemptionState, ...]
    next: str | None


class HowToAsk(msgspec.Struct, frozen=True):
    """How a person is asked to look at a decision; `ask_review` does it."""

    method: str
    path: str
    sentence: str
    sentence_zh: str


class Decision(msgspec.Struct, frozen=True):
    """What was decided automatically about a redemption, and why, in plain words; `ask` is None where nothing was
    decided against the seller."""

    redemption: str
    at: int
    action: str
    outcome: str
    reason: str
    sentence: str
    sentence_zh: str
    release_at: int
    review: str
    asked_at: int
    ask: HowToAsk | None


class Review(msgspec.Struct, frozen=True):
    """How a person stands to a decision: `waits`, `asked`, or what they have decided."""

    redemption: str
    review: str
    asked_at: int
    sentence: str
    sentence_zh: str


class EventProof(msgspec.Struct, frozen=True):
    """An event of the public log: keep `record`, `openings` and `proof` as they are, since every byte counts.

    `is_cosigned` is the platform's word; `check_proofs` finds out by a policy of one's own.
    """

    seq: int
    record: str
    openings: str
    proof: str
    is_cosigned: bool


class RedemptionProofs(msgspec.Struct, frozen=True):
    """The events of a redemption, the oldest first, as far as they are in the log."""

    events: tuple[EventProof, ...]


class Registered(msgspec.Struct, frozen=True):
    """A seller the platform knows from now on, and the id of the device's key where one was given."""

    seller: str
    device_key: str = ""


class SteppedUp(msgspec.Struct, frozen=True):
    """Today's limit of a seller was raised, until midnight in Shanghai."""

    step_up: str
    raised_fen: int
    day: str


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """How a seller stands to a purpose: given, refused, withdrawn or not_asked.

    `in_force` is whether it counts today. Keep `receipt.content`: `check_receipt` reads it without asking anybody.
    """

    seller: str
    purpose: str
    recipient: str
    state: str
    in_force: bool
    may_ask_at: int
    receipt: ReceiptPaper | None = None


class Consents(msgspec.Struct, frozen=True):
    """Everything that takes this seller's consent."""

    seller: str
    consents: tuple[Consent, ...]


class MaskedNumber(msgspec.Struct, frozen=True):
    """A seller's number, masked."""

    seller: str
    number: str


class NoticeText(msgspec.Struct, frozen=True):
    """A privacy notice: its version, and the JSON in both languages of which that is the SHA-256."""

    version: str
    content: bytes


class ContractTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A contract: `ratio_face` of card value become `ratio_value` of payout."""

    contract: str
    source: str
    value_kind: str
    ratio_face: int
    ratio_value: int
    channel: str
    disposition: str
    begins_at: int
    ends_at: int


class Contracts(msgspec.Struct, frozen=True):
    """The contracts under which the caller may redeem."""

    contracts: tuple[ContractTerms, ...]


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit of a window: `day` in Shanghai, or the last `24h`."""

    subject: str
    window: str
    cap_fen: int
    raised_fen: int
    left_fen: int


class Limits(msgspec.Struct, frozen=True):
    """What a seller may still redeem. A redemption needs room in every limit."""

    seller: str
    tier: int
    day: str
    transaction_fen_max: int
    limits: tuple[Limit, ...]


class RequestRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request about one's own data was refused, and what can be done about it."""

    code: str
    law: str
    version: str
    article: str
    en: str
    zh: str
    remedy_en: str
    remedy_zh: str


class SubjectRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request about one's own data: in_review, answered or refused; its bundle may be fetched until `open_until`."""

    request: str
    kind: str
    state: str
    received_at: int
    due_at: int
    open_until: int | None = None
    closed_at: int | None = None
    outcome: str = ""
    refusal: RequestRefusal | None = None


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of a person were opened: when, for which purpose, by what kind of reader, and whether whole or masked."""

    at: int
    purpose: str
    reader: str
    fields: tuple[str, ...]
    is_whole: bool


class Reads(msgspec.Struct, frozen=True):
    """Reads of one's own data, the newest first; `next` continues the list and is None at its end."""

    reads: tuple[Read, ...]
    next: str | None


class PlatformKey(msgspec.Struct, frozen=True):
    """A key that the platform signs its answers with."""

    id: str
    public_key: str


class PlatformFacts(msgspec.Struct, frozen=True):
    """What a platform says about itself before anybody can check it. Compare the keys by another way, once."""

    origin: str
    keys: tuple[PlatformKey, ...]

    def by_id(self) -> dict[str, PublicKey]:
        """The keys as `Platform` takes them. Raises `BadAnswer`."""
        try:
            return {key.id: PublicKey.parse(key.public_key) for key in self.keys}
        except ValueError as error:
            raise BadAnswer(f"the platform shows a key that is none: {error}") from error
