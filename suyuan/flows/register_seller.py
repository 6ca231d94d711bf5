"""A partner registers a seller: who it is, and the one account on which that person is paid.

What identifies the person is sealed before it leaves the API worker; the line and history see pseudonyms. The payee
account is fixed here, so no redemption can redirect a payout. A key that was made on the seller's device may be
enrolled with it: that device then sells in the lowest tier for its first day.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from suyuan.base import crypto, wire
from suyuan.base.clock import shanghai_day
from suyuan.base.ids import CHANCE_BYTES, new_id
from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.act_once import act_once, check_actor, want_actor, want_once
from suyuan.flows.desk import Desk, ask_line, marks_of
from suyuan.flows.keep_keys import are_of_closed_epochs, pseudonym_of, want_epoch, want_pseudonym
from suyuan.flows.shelves import Shelves
from suyuan.flows.who_asks import Asking, Knock, who_asks
from suyuan.history.events import DeviceBound, SellerRegistered
from suyuan.history.fact import Fact
from suyuan.history.line import Applier, Decided, Turn
from suyuan.privacy.classes import Privacy, Sealed
from suyuan.privacy.free_text import holds_personal_value
from suyuan.privacy.keyring import NONCE_BYTES
from suyuan.privacy.minors import check_age
from suyuan.privacy.pseudonyms import IDENTITY, NUMBER, PAYEE, Marks
from suyuan.privacy.purposes import DEVICE_KEY, SELLER_IDENTITY, SELLER_NAME, SELLER_NUMBER, SELLER_PAYEE
from suyuan.privacy.subject_keys import SubjectKey
from suyuan.privacy.vault import KEY_CHANCE_BYTES
from suyuan.settle.account import ACTIVE, FOR_EVER, Key, Seller
from suyuan.settle.body import Reader, SellerName, form

VERIFIED_TIER = 1


async def register_seller(desk: Desk, knock: Knock) -> Registered | Refusal:
    """Registers a seller of the partner that asks. Raises `BadSignature`."""
    # (1) Who asks, and for whom.
    asking = await who_asks(desk, knock)
    if isinstance(asking, Refusal):
        return asking
    wish = WISHES.read(asking.body)
    if isinstance(wish, Refusal):
        return wish
    # (2) A child is never registered, a name says nothing of the person, and the device's key must be one.
    today = shanghai_day(desk.clock.now())
    refusal = check_age(wish.identity_number, today=today, age_min=desk.seller_age_min)
    refusal = refusal or _check_name(wish.seller) or _check_key_form(wish.key)
    if refusal is not None:
        return refusal
    # (3) The line keeps it, in one commit with the answer. Whatever identifies the person is sealed by then.
    answer = await ask_line(desk, _command(desk, asking, wish))
    assert isinstance(answer, Registered | Refusal), "the line answers a registration with nothing else"
    return answer


# A name as people write it: no control characters, whatever the script.
_NAME = form(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]+", length_max=64)


class DeviceKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public half of a key pair that was made on the seller's device; base64url without padding."""

    algorithm: Annotated[str, form("ed25519|sm2-sm3", length_max=16), Privacy.OPEN]
    public_key: Annotated[str, form("[A-Za-z0-9_-]+", length_max=128), DEVICE_KEY]


class SellerWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A seller, as the partner has verified them. Without `seller` the platform chooses the id."""

    name: Annotated[str, _NAME, SELLER_NAME]
    identity_number: Annotated[str, form("[0-9]{17}[0-9X]", length_max=18), SELLER_IDENTITY]
    number: Annotated[str, form("1[3-9][0-9]{9}", length_max=11), SELLER_NUMBER]
    payee: Annotated[str, form("[!-~]+", length_max=128), SELLER_PAYEE]
    seller: SellerName | None = None
    key: DeviceKey | None = None


WISHES = Reader(SellerWish)


class RegisterSeller(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to register a seller, and to enrol the key of a device where there is one."""

    seller: str
    key: str
    nonce_mark: bytes
    request_mark: bytes
    request_digest: bytes
    identity: Marks
    payee: Marks
    number: Marks
    sealed_name: Annotated[Sealed, Privacy.IDENTITY]
    sealed_identity: Annotated[Sealed, Privacy.IDENTITY]
    sealed_number: Annotated[Sealed, Privacy.CONTACT]
    sealed_payee: Annotated[Sealed, Privacy.FINANCE]
    subject_keys: tuple[SubjectKey, ...]
    device_key: str
    algorithm: str
    public_key: str


class Registered(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The seller is registered; `device_key` is the id of the key that was enrolled with it, or nothing."""

    seller: str
    device_key: str


_FirstAnswer: TypeAlias = Registered | Refusal
_recalled: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_FirstAnswer)


def _check_name(seller: str | None) -> Refusal | None:
    """A partner who names its seller by a phone number would write it into history, where nobody forgets it."""
    is_telling = seller is not None and holds_personal_value(seller)
    return Refusal(Reason.field_is_malformed, "seller") if is_telling else None


def _check_key_form(key: DeviceKey | None) -> Refusal | None:
    try:
        if key is not None:
            crypto.PublicKey(key.algorithm, wire.unb64(key.public_key)).checker()
    except (ValueError, crypto.BadSignature):
        return Refusal(Reason.field_is_malformed, "key.public_key")
    return None


def _command(desk: Desk, asking: Asking, wish: SellerWish) -> RegisterSeller:
    now = desk.clock.now()
    seller = wish.seller or new_id("slr", at=now, chance=desk.chance(CHANCE_BYTES))
    device_key = "" if wish.key is None else new_id("key", at=now, chance=desk.chance(CHANCE_BYTES))
    plain = {
        SELLER_NAME: wish.name, SELLER_IDENTITY: wish.identity_number,
        SELLER_NUMBER: wish.number, SELLER_PAYEE: wish.payee,
    }  # fmt: skip
    keys = {
        key_class: desk.vault.new_key(seller, key_class, now=now, chance=desk.chance(KEY_CHANCE_BYTES))
        for key_class in {field.key_class for field in plain}
    }
    sealed = {
        field: desk.vault.seal(text, keys[field.key_class], field, chance=desk.chance(NONCE_BYTES))
        for field, text in plain.items()
    }
    return RegisterSeller(
        seller=seller,
        key=asking.key.id,
        nonce_mark=asking.marks.nonce,
        request_mark=asking.marks.request,
        request_digest=asking.marks.digest,
        identity=marks_of(desk, wish.identity_number, IDENTITY),
        payee=marks_of(desk, _one_spelling(wish.payee), PAYEE),
        number=marks_of(desk, wish.number, NUMBER),
        sealed_name=sealed[SELLER_NAME],
        sealed_identity=sealed[SELLER_IDENTITY],
        sealed_number=sealed[SELLER_NUMBER],
        sealed_payee=sealed[SELLER_PAYEE],
        subject_keys=tuple(key.row for key in keys.values()),
        device_key=device_key,
        algorithm="" if wish.key is None else wish.key.algorithm,
        public_key="" if wish.key is None else wish.key.public_key,
    )


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: RegisterSeller, now: int) -> bool:
    """Which rows registering needs."""
    want_once(shelves, command)
    want_epoch(shelves)
    want_pseudonym(shelves, command.identity)
    want_pseudonym(shelves, command.payee)
    want_pseudonym(shelves, command.number)
    shelves.register.sellers.want(command.seller)
    if command.device_key:
        shelves.register.keys.want(command.device_key)
        shelves.register.public_keys.want(command.public_key)
    return want_actor(shelves, command.key)


def apply(shelves: Shelves, command: RegisterSeller, turn: Turn) -> Decided:
    """Registers, once."""
    if are_of_closed_epochs(shelves, *command.subject_keys, command.identity, command.payee, command.number):
        return Decided(Refusal(Reason.platform_is_busy))
    return act_once(shelves, command, turn, _decide, _recalled)


def _decide(shelves: Shelves, command: RegisterSeller, turn: Turn) -> Decided:
    register = shelves.register
    actor = check_actor(shelves, command.key, turn.at)
    if isinstance(actor, Refusal):
        return Decided(actor)
    if actor.key.owner_kind != "partner":
        return Decided(Refusal(Reason.key_may_not_do_this))
    if register.sellers.get(command.seller) is not None:
        return Decided(Refusal(Reason.seller_is_registered_already, "seller"))
    if command.device_key and register.public_keys.is_taken(command.public_key):
        return Decided(Refusal(Reason.device_is_not_the_sellers, "key.public_key"))
    seller = _seller(shelves, command, actor.partner, turn.at)
    register.sellers.add(seller)
    for subject_key in command.subject_keys:
        shelves.subject_keys.add(subject_key)
    events: tuple[Fact, ...] = (_registered(seller),)
    if command.device_key:
        register.keys.add(_device_key(command))
        register.public_keys.take(command.public_key)
        events += (_bound(command),)
    return Decided(Registered(command.seller, command.device_key), events)


def _seller(shelves: Shelves, command: RegisterSeller, partner: str, at: int) -> Seller:
    return Seller(
        id=command.seller,
        partner=partner,
        state=ACTIVE,
        tier=VERIFIED_TIER,
        identity=pseudonym_of(shelves, command.identity),
        payee=pseudonym_of(shelves, command.payee),
        number=pseudonym_of(shelves, command.number),
        sealed_name=command.sealed_name,
        sealed_identity=command.sealed_identity,
        sealed_number=command.sealed_number,
        sealed_payee=command.sealed_payee,
        registered_at=at,
        bound_at=at if command.device_key else 0,
    )


def _device_key(command: RegisterSeller) -> Key:
    return Key(
        id=command.device_key,
        owner_kind="seller",
        owner=command.seller,
        algorithm=command.algorithm,
        public_key=command.public_key,
        state=ACTIVE,
        device=command.device_key,
        networks="",
        ends_at=FOR_EVER,
    )


def _one_spelling(payee: str) -> str:
    """One account, one limit: 6222-02 and 622202 are paid to the same person.

    >>> _one_spelling("6222-02"), _one_spelling("wang.fang@example")
    ('622202', 'WANGFANGEXAMPLE')
    """
    return "".join(character for character in payee if character.isalnum()).upper()


def _registered(seller: Seller) -> SellerRegistered:
    return SellerRegistered(
        seller=seller.id,
        partner=seller.partner,
        identity=seller.identity,
        payee=seller.payee,
        number=seller.number,
        sealed_name=Sealed(seller.sealed_name),
        sealed_identity=Sealed(seller.sealed_identity),
        sealed_number=Sealed(seller.sealed_number),
        sealed_payee=Sealed(seller.sealed_payee),
        tier=seller.tier,
    )


def _bound(command: RegisterSeller) -> DeviceBound:
    return DeviceBound(
        key=command.device_key,
        seller=command.seller,
        device=command.device_key,
        algorithm=command.algorithm,
        public_key=command.public_key,
    )


APPLIER = Applier(want, apply)
