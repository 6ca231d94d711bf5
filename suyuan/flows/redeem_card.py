"""A card becomes money once: the story of a redemption from the signed request to the pending payout.

Steps (1) to (4) ask and look, and take nothing, so a slow provider holds nobody's money. Step (5) is one command in
the line: it decides, takes and remembers in one commit (`take_redemption`). What follows is told in `finish_payout`.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

import msgspec

from suyuan.base.clock import shanghai_day
from suyuan.base.ids import CHANCE_BYTES, new_id
from suyuan.base.money import FEN_MAX, Fen
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.desk import Desk, ask_line, marks_of
from suyuan.flows.take_redemption import APPLIER, Taken, TakeRedemption
from suyuan.flows.who_asks import Asking, Knock, who_asks
from suyuan.privacy.canary import is_canary_card
from suyuan.privacy.classes import BlindIndex, Privacy, Sealed
from suyuan.privacy.keyring import NONCE_BYTES
from suyuan.privacy.marks import mark_key
from suyuan.privacy.pseudonyms import NUMBER
from suyuan.privacy.purposes import BALANCE_NUMBER, CARD_PIN, CARD_SERIAL
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import KEY_CHANCE_BYTES
from suyuan.settle.account import check_contract, check_not_frozen, check_seller
from suyuan.settle.body import Reader, SellerName, form
from suyuan.settle.providers import CardSecret

# Operators print region, year and lot before the running number, so the cards of one lot agree but for their last
# characters. All but six of them is a lot of a million at most: fewer left out would cut lots apart, and more would
# join cards that have nothing in common.
WITHIN_BATCH_CHARACTERS = 6

__all__ = ["APPLIER", "WISHES", "RedemptionWish", "TakeRedemption", "Taken", "redeem_card"]


async def redeem_card(desk: Desk, knock: Knock) -> Taken | Refusal:
    """Turns a card, or a phone balance, into value, once. Raises `BadSignature`; returns what a seller may meet."""
    # (1) Who asks, and for what. The body is read only now: a stranger's words are not worth parsing.
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    wish = WISHES.read(asking.body)
    if isinstance(wish, Refusal):
        return wish
    # (2)-(3) Contract, payee, tier and limits are facts that the line holds; none of them can be asked for.
    # (4) The card: its form, and where its operator tells, whether the secret is valid. Asking spends nothing.
    refusal = _check_source(desk, wish.source)
    if refusal is not None:
        return refusal
    secret_is_valid = await _is_valid(desk, asking, wish)
    # (5) The line decides, takes and remembers in one commit. The secret is sealed before it leaves this process.
    answer = await ask_line(desk, _command(desk, asking, wish, secret_is_valid))
    assert isinstance(answer, Taken | Refusal), "the line answers a redemption with nothing else"
    return answer


_FEN = Annotated[int, msgspec.Meta(ge=1, le=FEN_MAX), Privacy.OPEN]
_OPERATOR = Annotated[str, form("[a-z][a-z0-9_]*", length_max=32), Privacy.OPEN]


class CardSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="card", tag_field="type"):
    """A top-up card. Serial and PIN are as printed; each operator has its own form."""

    operator: _OPERATOR
    serial: Annotated[str, form("[!-~]+", length_max=64), CARD_SERIAL]
    pin: Annotated[str, form("[!-~]+", length_max=64), CARD_PIN]
    face_fen: _FEN


class BalanceSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="balance", tag_field="type"):
    """A phone balance, which the operator debits after the holder of the number has confirmed."""

    operator: _OPERATOR
    number: Annotated[str, form("1[3-9][0-9]{9}", length_max=11), BALANCE_NUMBER]
    amount_fen: _FEN


Source: TypeAlias = CardSource | BalanceSource


class RedemptionWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a redemption may ask for. Everything else is the contract's, and asking for it is refused."""

    contract: Annotated[str, form("ctr_[0-9A-Za-z_-]+", length_max=64), Privacy.OPEN]
    seller: SellerName
    source: Source
    agent: Annotated[str, form("agt_[0-9A-Za-z_-]+", length_max=64), Privacy.OPEN] | None = None
    expected_payout: _FEN | None = None


WISHES = Reader(RedemptionWish)


def _check_source(desk: Desk, source: Source) -> Refusal | None:
    formats = desk.formats(shanghai_day(desk.clock.now()))
    if isinstance(source, CardSource):
        refusal = formats.check(source.operator, serial=source.serial, pin=source.pin, face_fen=source.face_fen)
        return None if refusal is None else Refusal(refusal.reason, f"source.{refusal.where}")
    is_known = source.operator in formats.operators
    return None if is_known else Refusal(Reason.card_kind_is_unknown, "source.operator")


async def _is_valid(desk: Desk, asking: Asking, wish: RedemptionWish) -> bool | None:
    """What the operator says of the secret; None where it is not asked, or does not tell."""
    source = wish.source
    if not isinstance(source, CardSource):
        return None
    # A canary's PIN is no operator's, so nobody is asked: the line refuses it as any wrong one, and history keeps that.
    if is_canary_card(mark_key(desk.vault), source.operator, source.serial, source.pin):
        return False
    if source.operator not in desk.asked_for_secrets:
        return None
    if not await _may_sell(desk, asking, wish):
        return None
    verdict = await desk.operators[source.operator].check_secret(
        CardSecret(source.serial, source.pin, Fen(source.face_fen))
    )
    return verdict if isinstance(verdict, bool) else None


async def _may_sell(desk: Desk, asking: Asking, wish: RedemptionWish) -> bool:
    """Whether the line has a chance to agree. An operator is asked for nobody else, lest keys be used to try PINs."""
    if asking.only_seller not in (None, wish.seller):
        return False
    seller = await desk.lookup.seller(wish.seller)
    if (check_seller(seller, asking.partner) or check_not_frozen(seller)) is not None:
        return False
    contract = await desk.lookup.contract(wish.contract)
    return check_contract(contract, asking.partner, "card", at=desk.clock.now()) is None


def _command(desk: Desk, asking: Asking, wish: RedemptionWish, secret_is_valid: bool | None) -> TakeRedemption:
    # One draw for the id, the key and both seals; on the hot path four would cost four calls into the system.
    chance = desk.chance(CHANCE_BYTES + KEY_CHANCE_BYTES + 2 * NONCE_BYTES)
    redemption = new_id("rdm", at=desk.clock.now(), chance=chance[:CHANCE_BYTES])
    source = wish.source
    closed = _close(desk, redemption, source, chance[CHANCE_BYTES:])
    return TakeRedemption(
        redemption=redemption,
        key=asking.key.id,
        nonce_mark=asking.marks.nonce,
        request_mark=asking.marks.request,
        request_digest=asking.marks.digest,
        contract=wish.contract,
        seller=wish.seller,
        agent=wish.agent,
        ip_prefix=asking.ip_prefix,
        source="card" if isinstance(source, CardSource) else "balance",
        operator=source.operator,
        card=closed.card,
        serial_index=closed.serial_index,
        batch_index=closed.batch_index,
        number=marks_of(desk, source.number, NUMBER) if isinstance(source, BalanceSource) else None,
        sealed_serial=closed.sealed_serial,
        sealed_secret=closed.sealed_secret,
        subject_key=closed.subject_key,
        face_fen=source.face_fen if isinstance(source, CardSource) else source.amount_fen,
        expected_payout=wish.expected_payout,
        secret_is_valid=secret_is_valid,
    )


class _Closed(NamedTuple):
    """The source as history may keep it: its indexes, and the sealed fields with their data key."""

    card: BlindIndex
    serial_index: BlindIndex
    batch_index: BlindIndex
    sealed_serial: Sealed
    sealed_secret: Sealed
    subject_key: SubjectKey


def _close(desk: Desk, redemption: str, source: Source, chance: bytes) -> _Closed:
    """Each source has a key of its own, so that a card's secret can be forgotten while its seller stays."""
    vault, key_class = desk.vault, (CARD_PIN if isinstance(source, CardSource) else BALANCE_NUMBER).key_class
    key = vault.new_key(redemption, key_class, now=desk.clock.now(), chance=chance[:KEY_CHANCE_BYTES])
    first, second = chance[KEY_CHANCE_BYTES:-NONCE_BYTES], chance[-NONCE_BYTES:]
    if isinstance(source, BalanceSource):
        # Any number of redemptions may draw on one number, so each is a source of its own; whoever proves that the
        # number is theirs finds all of them by its pseudonym.
        sealed_number = vault.seal(source.number, key, BALANCE_NUMBER, chance=first)
        no_index = BlindIndex("")
        return _Closed(BlindIndex(f"balance-{redemption}"), no_index, no_index, sealed_number, Sealed(""), key.row)
    return _Closed(
        vault.index(f"{source.operator}|{source.pin}", purpose="card"),
        vault.index(f"{source.operator}|{source.serial}", purpose="serial"),
        vault.index(f"{source.operator}|{source.serial[:-WITHIN_BATCH_CHARACTERS]}", purpose="batch"),
        vault.seal(source.serial, key, CARD_SERIAL, chance=first),
        vault.seal(source.pin, key, CARD_PIN, chance=second),
        key.row,
    )
