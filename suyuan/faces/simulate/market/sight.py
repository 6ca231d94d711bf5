"""What somebody asks for, and what the platform sees of it: the row, the facts and the subjects of limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from suyuan.base.clock import DAY_S, SECOND
from suyuan.faces.simulate.market.goods import Card
from suyuan.faces.simulate.market.parties import PARTNERS, Account, Agent, Contract, Device, name_of
from suyuan.faces.simulate.market.places import hour_of
from suyuan.risk.row import ATTEMPT, Row, id64


class Offer(NamedTuple):
    """What somebody asks for: this card of this account, by this contract, from here."""

    account: Account
    device: Device | None
    prefix: int
    contract: Contract
    card: Card
    agent: Agent | None
    side: Side


class Side(Protocol):
    """Who offers, and hears later what became of it."""

    def hear(self, offer: Offer, news: str) -> None: ...


def row_of_offer(empty: Row, offer: Offer) -> Row:
    account, device, contract, card = offer.account, offer.device, offer.contract, offer.card
    paid = card.face_fen * contract.ratio_percent // 100
    return Row(
        seq=empty.seq,
        at=empty.at,
        kind=ATTEMPT,
        seller=account.seller,
        identity=account.identity,
        device=None if device is None else device.id,
        prefix=offer.prefix,
        number=account.number,
        batch=card.batch,
        payee=account.payee,
        merchant=contract.merchant,
        contract=contract.id,
        agent=None if offer.agent is None else offer.agent.id,
        partner=name_of("partner", account.partner),
        key=device.key if device is not None else name_of("partner_key", PARTNERS[account.partner]),
        operator=card.operator,
        card=card.id,
        face_fen=card.face_fen,
        paid=paid,
        ratio_bp=paid * 10_000 // card.face_fen,
        hour=hour_of(empty.at),
    )


def undecided(row: Row, outcome: str) -> Row:
    """An attempt that was refused before risk was asked, as its event tells it."""
    return row._replace(
        identity=None, number=None, batch=None, payee=None, merchant=None, agent=None, paid=None, ratio_bp=None,
        taken=0, reason=id64(outcome),
    )  # fmt: skip


def subjects_of(offer: Offer) -> Mapping[str, int]:
    account = offer.account
    subjects = {
        "seller": account.seller,
        "identity": account.identity,
        "payee": account.payee,
        "partner": account.partner,
        "ip_prefix": offer.prefix,
    }
    if offer.device is not None:
        subjects["device"] = offer.device.id
    return subjects


def tier_of_offer(offer: Offer, at: int) -> int:
    """The tier that counts now: a phone that is newer than a day starts at the lowest."""
    bound_at = offer.account.bound_at
    is_new = offer.device is not None and bound_at is not None and at < bound_at + DAY_S * SECOND
    return 0 if is_new else offer.account.tier


def facts_of(offer: Offer, row: Row) -> tuple[int | None, ...]:
    """The facts in the order of `risk.inputs`; the three of rings are left to the defence, which has the graph."""
    account, contract, at = offer.account, offer.contract, row.at
    bound_at = account.bound_at
    return (
        row.face_fen,
        row.paid,
        row.ratio_bp,
        row.hour,
        int(contract.is_balance),
        int(contract.is_money),
        int(contract.is_held),
        tier_of_offer(offer, at),
        max(0, at - account.registered_at) // SECOND,
        None if bound_at is None else max(0, at - bound_at) // SECOND,
        int(offer.device is not None),
        offer.agent.depth if offer.agent else 0,
        (at - contract.since) // SECOND,
        account.owed_fen,
        None,
        None,
        None,
    )
