"""The bundle: what a person gets who asks what is kept of them. This is its format, `suyuan-bundle/1`.

Canonical JSON (`base/wire`), made when it is fetched and kept nowhere. Amounts are fen, instants micros. It holds what
is about this person and nothing of anybody else: not who else a read was about, not which officer read, not whose card
a number's balance went into. A sealed field of the person's own is whole; a serial or a number that was redeemed is
masked, because a card is money and a number may be somebody else's. What can no longer be opened is null.

| kind | fields | values | purposes, recipients, consents, papers, reads | redemptions | decisions, limits |
|---|---|---|---|---|---|
| know | yes | – | yes (no reads where a partner asks) | – | – |
| access, copy, heir | yes | yes | yes | yes | – |
| port | yes | yes | – | yes | – |
| explain | – | – | – | yes | yes |

`next` is the cursor of the following page, null on the last one. Only the first page holds fields, purposes and reads.

>>> bundle = Bundle(request="req_1", kind="port", policy="p", policy_now="p", made_at=1, about="slr_1")
>>> bundle.format, bundle.fields, bundle.next
('suyuan-bundle/1', (), None)
"""

from __future__ import annotations

import msgspec

from suyuan.privacy.purposes import Field, Purpose, Unsealed
from suyuan.privacy.requests import ACCESS, COPY, EXPLAIN, HEIR, KNOW, PORT

FORMAT = "suyuan-bundle/1"
SHOWS_FIELDS = frozenset({KNOW, ACCESS, COPY, PORT, HEIR})
SHOWS_PURPOSES = frozenset({KNOW, ACCESS, COPY, HEIR})
SHOWS_REDEMPTIONS = frozenset({ACCESS, COPY, PORT, HEIR, EXPLAIN})
SHOWS_DECISIONS = frozenset({EXPLAIN})


class RuleShown(msgspec.Struct, frozen=True):
    """A rule of law."""

    law: str
    version: str
    article: str


class PurposeShown(msgspec.Struct, frozen=True):
    """Why the platform handles personal data, and the rule that allows it."""

    purpose: str
    ground: str
    en: str
    zh: str
    rule: RuleShown


class FieldKept(msgspec.Struct, frozen=True):
    """A sealed field that is kept, the purposes that may open it, and what it says."""

    field: str
    privacy: str
    purposes: tuple[str, ...]
    value: str | None = None


class Recipient(msgspec.Struct, frozen=True):
    """Who outside the platform receives fields: a partner, an operator or a payout channel."""

    kind: str
    name: str
    fields: tuple[str, ...]
    purpose: str


class Registration(msgspec.Struct, frozen=True):
    """How the person is registered as a seller."""

    seller: str
    partner: str
    state: str
    tier: int
    registered_at: int


class RedemptionKept(msgspec.Struct, frozen=True):
    """A redemption that the person made; `source_shown` is the masked serial or number."""

    redemption: str
    at: int
    source: str
    operator: str
    source_shown: str | None
    face_fen: int
    paid: int
    fee_fen: int
    rounding_fen: int
    debt_fen: int
    value_kind: str
    contract: str
    channel: str
    state: str
    changed_at: int


class DebitKept(msgspec.Struct, frozen=True):
    """A balance of the proven number that was redeemed. Who redeemed it is somebody else's data."""

    redemption: str
    at: int
    operator: str
    face_fen: int
    state: str


class LimitShown(msgspec.Struct, frozen=True):
    """A limit in force: whose, over which window, and its caps for the tiers 0, 1 and 2."""

    subject: str
    window: str
    caps_fen: tuple[int, ...]


class Decision(msgspec.Struct, frozen=True):
    """A redemption that was refused: the facts it was decided on, the reason, and the limit behind it, if any."""

    redemption: str
    at: int
    contract: str
    operator: str
    source: str
    face_fen: int
    code: str
    where: str
    en: str
    zh: str
    limits: tuple[LimitShown, ...] = ()


class ReadShown(msgspec.Struct, frozen=True):
    """Fields of the person were opened: when, why, by which rule, by what kind of reader, and how much they saw.

    Where they were opened to be given away, `recipient` says to whom.
    """

    at: int
    purpose: str
    rule: RuleShown
    reader: str
    fields: tuple[str, ...]
    is_whole: bool
    recipient: str = ""


class PaperKept(msgspec.Struct, frozen=True):
    """A photo or scanned paper of the person's, and whether it is still there; an officer hands a copy over."""

    paper: str
    kind: str
    size_bytes: int
    sealed_at: int
    state: str
    deleted_at: int | None


class ConsentKept(msgspec.Struct, frozen=True):
    """What the person has decided of a purpose, for whom, and when."""

    purpose: str
    recipient: str
    state: str
    decided_at: int


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what is kept of a person. `about` is the seller, or nothing where only a number was proven."""

    format: str = FORMAT
    request: str
    kind: str
    policy: str
    policy_now: str
    made_at: int
    about: str
    registration: Registration | None = None
    fields: tuple[FieldKept, ...] = ()
    purposes: tuple[PurposeShown, ...] = ()
    recipients: tuple[Recipient, ...] = ()
    redemptions: tuple[RedemptionKept, ...] = ()
    debits: tuple[DebitKept, ...] = ()
    decisions: tuple[Decision, ...] = ()
    limits: tuple[LimitShown, ...] = ()
    limits_version: str = ""
    consents: tuple[ConsentKept, ...] = ()
    papers: tuple[PaperKept, ...] = ()
    reads: tuple[ReadShown, ...] = ()
    review_en: str = ""
    review_zh: str = ""
    next: str | None = None


def purpose_shown(purpose: Purpose) -> PurposeShown:
    """A purpose as a bundle prints it."""
    basis = purpose.basis
    rule = RuleShown(basis.law, basis.version, basis.article)
    return PurposeShown(purpose.id, purpose.ground.value, purpose.en, purpose.zh, rule)


def field_kept(field: Field | Unsealed, value: str | None = None) -> FieldKept:
    """A field as a bundle prints it."""
    return FieldKept(field.name, field.key_class.value, tuple(purpose.id for purpose in field.purposes), value)
