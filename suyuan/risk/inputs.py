"""Everything that a rule or a model may look at, by name, in one order: features, then facts, then the model's score.

Facts are what the platform knows about the attempt itself, without looking back. Each is a whole number or `None`.
"""

from __future__ import annotations

from typing import NamedTuple


class FactName(NamedTuple):
    """One fact, with its line in both languages."""

    name: str
    zh: str
    en: str


FACTS: tuple[FactName, ...] = (
    FactName("face_fen", "面值（分）", "the face value, in fen"),
    FactName("paid", "应付数额", "what would be paid, in units of its kind"),
    FactName("ratio_bp", "兑换比例（万分之一）", "paid / face, in hundredths of a percent"),
    FactName("hour", "上海时间的钟点", "the hour of the day in Shanghai, 0 to 23"),
    FactName("is_balance", "来源是话费余额", "1 for a phone balance, 0 for a card"),
    FactName("is_money", "支付现金", "1 where money is paid, 0 for coupons and points"),
    FactName("is_held", "先持有后转卖", "1 where the card is held and sold on"),
    FactName("tier", "卖家等级", "the tier that counts now, 0 to 2"),
    FactName("account_age_s", "注册时长（秒）", "seconds since the seller was registered"),
    FactName("device_age_s", "设备绑定时长（秒）", "seconds since the newest device was bound; None without a device"),
    FactName("is_signed_by_device", "由卖家设备签名", "1 where the seller's own device signed"),
    FactName("agent_depth", "代理层级", "how many agents stand in the chain, 0 for none"),
    FactName("contract_age_s", "合同生效时长（秒）", "seconds since the contract began"),
    FactName("owed_fen", "欠款（分）", "what the seller owes, in fen"),
    FactName("ring_size", "团伙人数", "sellers in the seller's ring, by the newest graph; None outside any"),
    FactName("ring_bad", "团伙确认坏账数", "confirmed bad redemptions in that ring"),
    FactName("ring_density", "团伙共用程度（千分之一）", "how much the ring shares, in thousandths"),
)

MODEL_SCORE = "model_bp"
"""The model's estimate that the redemption turns out bad, 0 to 10,000; `None` without a model."""
