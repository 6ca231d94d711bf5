"""Consents as a partner or a seller brings them, in a `House`; its notice is published by the first of them."""

from __future__ import annotations

from typing import Any

from suyuan.base.refusals import Refusal
from suyuan.flows.decide_consent import ConsentStands, decide_consent
from suyuan.flows.publish_notice import publish_notice
from tests.flows.house import NOTICE, House, written

PATH = "/v1/consents"


def wish(
    decision: str = "give", purpose: str = "compare_face", seller: str = "slr_1", **changes: Any
) -> dict[str, Any]:
    """A decision; a yes names the notice that the house serves."""
    shown = {"notice": NOTICE.version, "language": "zh"} if decision == "give" else {}
    return {"seller": seller, "purpose": purpose, "decision": decision} | shown | changes


def decide(house: House, body: dict[str, Any], **signed: Any) -> ConsentStands | Refusal:
    """Brings a decision, by the partner's key unless another one is named."""
    house.run(publish_notice(house.desk))
    return house.run(decide_consent(house.desk, house.knock("POST", PATH, written(body), **signed)))


def give(house: House, seller: str = "slr_1", purpose: str = "compare_face", **signed: Any) -> ConsentStands:
    """A yes that counts."""
    answer = decide(house, wish(seller=seller, purpose=purpose), **signed)
    assert isinstance(answer, ConsentStands), answer
    return answer
