"""A short history to learn from: honest sellers, and a few who redeem stolen cards fast from shared devices."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from random import Random

from suyuan.base.clock import DAY_S, SECOND
from suyuan.history.decision_events import DecisionMade
from suyuan.history.events import SourceRejected
from suyuan.history.store import Recorded
from suyuan.privacy.classes import BlindIndex
from suyuan.risk.catalogue import Catalogue, load_catalogue
from suyuan.risk.inputs import FACTS
from suyuan.risk.model.examples import Examples, read_examples
from suyuan.risk.vector import write_inputs

FIRST_AT = 1_800_000_000_000_000
DAYS = 40
A_DAY = 60
OUTCOME_S = DAY_S


def decision(place: int, *, seller: int, is_bad: bool, outcome: str = "", features: str | None = None) -> DecisionMade:
    """One attempt; the facts of the inputs say 7 for the tier of the account, so that a test finds them again."""
    catalogue = load_catalogue()
    facts: list[int | None] = [7 if fact.name == "account_age_s" else None for fact in FACTS]
    return DecisionMade(
        redemption=f"rdm_{place}", partner="ptn_1", agent=None, key="key_1", contract="ctr_1", merchant="mch_1",
        operator="cmcc", source="card", seller=f"slr_{seller}", identity=f"idn_{seller}", payee=f"pye_{seller}",
        number=f"num_{seller}", device="dev_shared" if is_bad else f"dev_{seller}", ip_prefix="203.0.113.0/24",
        batch=BlindIndex("bat"), card=BlindIndex(f"crd_{place}"), face_fen=500_00 if is_bad else 50_00, paid=40_00,
        outcome=outcome, action="approve", delay_s=0, limit_percent=100, score=0, reason="",
        inputs=write_inputs([*[None] * len(catalogue.features), *facts, None]), saturated="", fired="[]",
        features=catalogue.digest if features is None else features, policy="0" * 64, model="", lists=0, graph="",
        shadow="",
    )  # fmt: skip


def recorded(days: int = DAYS, *, seed: int = 3, bad_share: float = 0.06) -> Iterator[Recorded]:
    """Some decisions a day, and what operators said of the bad ones a day later; one in twenty stays undetected."""
    chance, seq, coming = Random(seed), 0, list[tuple[int, str]]()
    for place in range(days * A_DAY):
        at = FIRST_AT + place * (DAY_S // A_DAY) * SECOND
        while coming and coming[0][0] < at:
            when, redemption = coming.pop(0)
            yield Recorded(seq, when, SourceRejected(redemption=redemption, code="CARD_IS_STOLEN"))
            seq += 1
        is_bad = chance.random() < bad_share
        seller = chance.randrange(900, 903) if is_bad else chance.randrange(200)
        yield Recorded(seq, at, decision(place, seller=seller, is_bad=is_bad))
        seq += 1
        if is_bad and chance.random() < 0.95:
            coming.append((at + OUTCOME_S * SECOND + 1, f"rdm_{place}"))


@cache
def examples(days: int = DAYS, bad_share: float = 0.06) -> Examples:
    return read_examples(recorded(days, bad_share=bad_share), catalogue())


@cache
def catalogue() -> Catalogue:
    return load_catalogue()
