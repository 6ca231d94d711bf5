"""The card of a model: what it was trained on, what it reached on labels that it had not seen, and what it is not for.

As JSON in its canonical form a card is part of history (`ModelDeployed.card`), so it holds whole numbers alone: shares
in hundredths of a percent (`_bp`), amounts in fen, instants in micros. `printed` is the same for people.

>>> held_out = Reach(0, 1, 200, 20, 9_400, 7_000, 2_500, 50, 8_000, 9_000)
>>> for line in printed_reach(held_out, "en"):
...     print(line)
examples not trained on            200, of them 20 bad
AUC, average precision             0.9400, 0.7000
threshold, good ones above it      2500, 0.50 %
bad ones found at the threshold    80.00 %, 90.00 % by face value
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import msgspec

from suyuan.base import clock
from suyuan.base.refusals import Language
from suyuan.base.wire import canonical
from suyuan.risk.model.drift import Baseline

FORMAT = "suyuan model card 1"
CARD_BYTES_MAX = 256 << 10
LABEL_WIDTH = 34


class BadCard(ValueError):
    """Raised for what is no card of a model."""


class Reach(msgspec.Struct, frozen=True):
    """What a model reached on labels that it had not seen, at its threshold."""

    from_at: int
    to_at: int
    examples: int
    bad: int
    auc_bp: int
    ap_bp: int
    threshold_bp: int
    flagged_good_bp: int  # The share of good ones that score the threshold or more.
    found_bad_bp: int
    found_fen_bp: int  # The same, by face value.


class Champion(msgspec.Struct, frozen=True):
    """The model that it was compared with, on the same labels and with a threshold chosen by the same rule."""

    model: str
    reach: Reach


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """How the trees were grown; with the same history, this makes the same bytes."""

    trees: int
    leaves: int
    learning_rate_bp: int
    leaf_rows_min: int
    column_share_bp: int
    row_share_bp: int
    seed: int
    half_life_s: int
    label_delay_s: int


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The card."""

    format: str = FORMAT
    model: str
    features: str
    inputs: int
    as_of: int
    from_at: int
    examples: int
    bad: int
    partly_known: int  # Examples of another catalogue, of whose facts some are missing.
    growth: Growth
    held_out: Reach
    champion: Champion | None
    gains_bp: tuple[tuple[str, int], ...]
    baselines: tuple[Baseline, ...]


def write_card(card: ModelCard) -> bytes:
    """The canonical JSON of a card."""
    return canonical(card)


def read_card(content: bytes) -> ModelCard:
    """The card of its JSON. Raises `BadCard` for anything that `write_card` did not write."""
    try:
        card = msgspec.json.decode(content, type=ModelCard) if len(content) <= CARD_BYTES_MAX else None
    except (msgspec.DecodeError, msgspec.ValidationError) as fault:
        raise BadCard(f"this is no card of a model: {fault}") from fault
    if card is None or card.format != FORMAT or write_card(card) != content:
        raise BadCard("this is no card of a model in its canonical form; `suyuan risk train` writes cards")
    return card


# --- For people -------------------------------------------------------------------------------------------------------

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "title": "Model {}",
        "use": (
            "It estimates how likely a redemption turns out bad. It supports decisions and proves nothing; whoever is "
            "refused by machine alone may ask for a person."
        ),
        "not": "It knows nobody: its inputs are counts, amounts, times and shares. It is made for nothing else.",
        "features": "features",
        "span": "trained on",
        "span_text": "{} examples, of them {} bad, {} to {}",
        "partly": "some facts missing",
        "partly_text": "{} examples, decided under another catalogue",
        "labels": "labels",
        "labels_text": "good after {} d without an outcome; half weight after {} d",
        "trees": "trees",
        "trees_text": "{} of up to {} leaves, seed {}",
        "held_out": "examples not trained on",
        "held_out_text": "{}, of them {} bad",
        "auc": "AUC, average precision",
        "threshold": "threshold, good ones above it",
        "found": "bad ones found at the threshold",
        "found_text": "{}, {} by face value",
        "champion": "Compared with {} on the same examples:",
        "gains": "What it looks at most:",
        "age": "Train again when `suyuan risk drift` says so, and at the latest after {} d.",
    },
    "zh": {
        "title": "模型 {}",
        "use": (
            "估计一笔兑换事后被证实异常的可能性。仅供辅助决策，不构成证明；仅由自动化决定而被拒绝的，可以要求人工复核。"
        ),
        "not": "不识别任何人：输入只有次数、金额、时间和占比。不得用于其他用途。",
        "features": "特征",
        "span": "训练数据",
        "span_text": "{} 个样本，其中异常 {} 个，{} 至 {}",
        "partly": "部分事实缺失",
        "partly_text": "{} 个样本，决定于另一版特征目录",
        "labels": "标注",
        "labels_text": "{} 天无异常结果视为正常；{} 天权重减半",
        "trees": "树",
        "trees_text": "{} 棵，每棵至多 {} 叶，种子 {}",
        "held_out": "未参与训练的样本",
        "held_out_text": "{}，其中异常 {}",
        "auc": "AUC、平均精确率",
        "threshold": "阈值、正常样本达到阈值的占比",
        "found": "达到阈值的异常样本占比",
        "found_text": "{}，按面值 {}",
        "champion": "与 {} 在相同样本上比较：",
        "gains": "最主要的输入：",
        "age": "`suyuan risk drift` 报警时重新训练，最迟 {} 天。",
    },
}
TRAINED_AGAIN_D = 30


def printed(card: ModelCard, language: Language) -> Iterator[str]:
    """The card, line by line."""
    words, growth = WORDS[language], card.growth
    days = (str(growth.label_delay_s // clock.DAY_S), str(growth.half_life_s // clock.DAY_S))
    yield words["title"].format(card.model)
    yield from ("", words["use"], words["not"], "")
    yield _line(words["features"], f"{card.features}, {card.inputs}")
    span = (card.examples, card.bad, clock.text(card.from_at), clock.text(card.as_of))
    yield _line(words["span"], words["span_text"].format(*span))
    if card.partly_known:
        yield _line(words["partly"], words["partly_text"].format(card.partly_known))
    yield _line(words["labels"], words["labels_text"].format(*days))
    yield _line(words["trees"], words["trees_text"].format(growth.trees, growth.leaves, growth.seed))
    yield from printed_reach(card.held_out, language)
    if card.champion:
        yield from ("", words["champion"].format(card.champion.model), *printed_reach(card.champion.reach, language))
    yield from ("", words["gains"], *(_line(name, percent(share)) for name, share in card.gains_bp))
    yield from ("", words["age"].format(TRAINED_AGAIN_D))


def printed_reach(reach: Reach, language: Language) -> list[str]:
    """What was reached, line by line."""
    words = WORDS[language]
    return [
        _line(words["held_out"], words["held_out_text"].format(reach.examples, reach.bad)),
        _line(words["auc"], f"{reach.auc_bp / 10_000:.4f}, {reach.ap_bp / 10_000:.4f}"),
        _line(words["threshold"], f"{reach.threshold_bp}, {percent(reach.flagged_good_bp)}"),
        _line(words["found"], words["found_text"].format(percent(reach.found_bad_bp), percent(reach.found_fen_bp))),
    ]


def percent(share_bp: int) -> str:
    """A share as people read it.

    >>> percent(50)
    '0.50 %'
    """
    return f"{share_bp // 100}.{share_bp % 100:02} %"


def _line(label: str, value: str) -> str:
    # A Chinese character is as wide as two of the others.
    width = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in label)
    return f"{label}{' ' * max(1, LABEL_WIDTH + 1 - width)}{value}"
