"""What the demo shows: live progress, and a report in Chinese or English that needs no glossary."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from suyuan.base.money import yuan
from suyuan.base.refusals import TEXTS, Language, Reason
from suyuan.config import Settings
from suyuan.faces.simulate.day import Progress

STEPS: dict[str, dict[Language, str]] = {
    "scene": {"en": "Setting the scene", "zh": "布置场景"},
    "sellers": {"en": "Sellers register", "zh": "卖卡人登记"},
    "traffic": {"en": "Redemptions", "zh": "兑换请求"},
    "payouts": {"en": "Payouts", "zh": "付款"},
    "audit": {"en": "Auditing the books", "zh": "核对账目"},
    "cosign": {"en": "Witnesses cosign", "zh": "见证方联署"},
    "search": {"en": "Searching for personal data in the clear", "zh": "搜索明文个人信息"},
}
ATTACKS: dict[str, dict[Language, str]] = {
    "kind_change": {"en": "Coupons turned into cash", "zh": "变更兑付种类（券变现）"},
    "channel_hijack": {"en": "Payout redirected", "zh": "劫持支付通道"},
    "rule_bypass": {"en": "Ratio or checks changed", "zh": "绕过规则（改比例、关校验）"},
    "fund_splitting": {"en": "Sums split to pass a limit", "zh": "拆分金额规避限额"},
    "forged_signature": {"en": "Forged signatures", "zh": "伪造签名"},
    "replay": {"en": "Recorded requests replayed", "zh": "重放请求"},
    "doubled_key": {"en": "One act asked for twice", "zh": "重复使用幂等键"},
    "double_sale": {"en": "One card sold twice", "zh": "一卡两卖"},
    "spent_after_sale": {"en": "PIN used after the sale", "zh": "售出后自行使用卡密"},
    "wrong_card": {"en": "Guessed PINs, invented cards", "zh": "错误卡密、虚构卡号"},
    "forged_face": {"en": "Limit raised by a wrong face", "zh": "冒用人脸提额"},
}
WORDS: dict[str, dict[Language, str]] = {
    "title": {"en": "One day of suyuan, simulated", "zh": "溯源平台模拟日报"},
    "offered": {"en": "Redemptions asked for", "zh": "兑换请求"},
    "paid": {"en": "Paid", "zh": "已付款"},
    "paid_money": {"en": "… in money, yuan", "zh": "…其中现金（元）"},
    "paid_units": {"en": "… in coupons and points, units", "zh": "…其中券与积分（单位）"},
    "reversed": {"en": "Card found bad after payment, owed by its seller", "zh": "付款后发现卡片无效，计为卖卡人欠款"},
    "rejected": {"en": "Taken, then rejected outside; nothing paid", "zh": "受理后被运营商或通道拒绝，未付款"},
    "refused": {"en": "Refused", "zh": "已拒绝"},
    "repeated": {"en": "Repeated requests, answered as the first time", "zh": "重复请求，返回首次结果"},
    "pending": {"en": "Pending", "zh": "处理中"},
    "silent": {"en": "… the holder of the number has not confirmed yet", "zh": "…机主尚未确认"},
    "unanswered": {"en": "No answer", "zh": "无应答"},
    "why": {"en": "Why requests were refused", "zh": "拒绝原因"},
    "attack": {"en": "Attack", "zh": "攻击"},
    "tried": {"en": "tried", "zh": "尝试"},
    "through": {"en": "got through", "zh": "得逞"},
    "over": {"en": "Yuan over any limit", "zh": "超出限额（元）"},
    "balanced": {"en": "Books balanced", "zh": "账目平衡"},
    "gapless": {"en": "History without gaps", "zh": "历史连续无缺"},
    "cosigned": {"en": "History cosigned by others", "zh": "历史经他方联署"},
    "cosigned_counts": {"en": "{events} events, {witnesses} witnesses", "zh": "{events} 条事件，{witnesses} 个见证方"},
    "in_clear": {"en": "Places with personal data or card secrets in the clear", "zh": "出现明文个人信息或卡密之处"},
    "yes": {"en": "yes", "zh": "是"},
    "no": {"en": "NO", "zh": "否"},
    "counts": {"en": "{postings} postings, {events} history events", "zh": "{postings} 条记账，{events} 条历史事件"},
    "seconds": {"en": "Seconds (redemptions a second)", "zh": "用时（秒）与每秒兑换数"},
    "exact": {
        "en": "The same seed gives the same requests, attacks, refusals and acceptances. Only races differ:\n"
              "whether a PIN that its seller uses right after the sale is still good, which cards an operator\n"
              "takes back, and through which of two partners a card goes.",
        "zh": "同一种子下，请求、攻击、拒绝与受理数完全一致；仅竞争结果可能不同：\n"
              "售出后立即自用的卡密是否仍有效、运营商追回哪些卡、同一张卡由两家合作方中的哪一家兑付。",
    },
    "kept": {
        "en": "The platform stays up at {url} (sandbox {sandbox}).\n"
              "Its data is in {data}, the keys of its people in people/.\n"
              "Try: suyuan admin --data {data} contract list\nCtrl-C stops it.",
        "zh": "平台继续运行：{url}（沙箱 {sandbox}）。\n数据目录 {data}，演示人员密钥在 {data}/people。\n"
              "可试：suyuan admin --data {data} contract list\n按 Ctrl-C 停止。",
    },
}  # fmt: skip


@contextmanager
def shown_progress(language: Language) -> Iterator[Progress]:
    """Bars on standard error, so that standard output holds the report alone."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as bars:
        tasks = {step: bars.add_task(words[language], total=None, start=False) for step, words in STEPS.items()}
        started: set[str] = set()

        def progress(step: str, done: int, of: int) -> None:
            if step not in started:
                started.add(step)
                bars.start_task(tasks[step])
            bars.update(tasks[step], completed=done, total=of)

        yield progress


def show(facts: dict[str, Any], language: Language) -> None:
    """The report."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    sums = Table(title=WORDS["title"][language], show_header=False)
    sums.add_column()
    sums.add_column(justify="right")
    for label, value in _sums(facts, language):
        sums.add_row(label, value)
    console.print(sums)
    reasons = Table(WORDS["why"][language], WORDS["refused"][language])
    for code, count in sorted(facts["refused"].items(), key=lambda pair: -pair[1]):
        reasons.add_row(_sentence(code, language), str(count))
    console.print(reasons)
    attacks = Table(*(WORDS[word][language] for word in ("attack", "tried", "through")))
    for name, attack in facts["attacks"].items():
        attacks.add_row(ATTACKS[name][language], str(attack["tried"]), str(attack["got_through"]))
    console.print(attacks)
    for breach in [*facts["breaches"], *facts["findings"]]:
        console.print(breach, style="bold red", markup=False)
    console.print(_summary(facts, language), markup=False)


def _sums(facts: dict[str, Any], language: Language) -> Iterator[tuple[str, str]]:
    def row(word: str, value: object) -> tuple[str, str]:
        return WORDS[word][language], str(value)

    yield row("offered", facts["offered"])
    yield row("paid", facts["paid"])
    yield row("paid_money", yuan(facts["paid_fen"]))
    yield row("paid_units", sum(facts["paid_units"].values()))
    yield row("reversed", facts["reversed"])
    yield row("rejected", facts["rejected"])
    yield row("refused", sum(facts["refused"].values()))
    yield row("repeated", facts["repeated"])
    yield row("pending", facts["pending"])
    if facts["silent_holders"]:
        yield row("silent", facts["silent_holders"])
    if facts["unanswered"]:
        yield row("unanswered", facts["unanswered"])


def _summary(facts: dict[str, Any], language: Language) -> str:
    def word(name: str) -> str:
        return WORDS[name][language]

    def yes(fact: bool) -> str:
        return word("yes") if fact else word("no")

    counts = word("counts").format(postings=facts["postings"], events=facts["history_events"])
    cosigned = word("cosigned_counts").format(events=facts["cosigned_events"], witnesses=len(facts["cosigned_by"]))
    lines = (
        f"{word('over')}: {yuan(facts['over_limit_fen'])}",
        f"{word('balanced')}: {yes(facts['books_balanced'])} ({counts})",
        f"{word('gapless')}: {yes(facts['history_gapless'])}",
        f"{word('cosigned')}: {yes(facts['cosigned_events'] >= facts['history_events'])} ({cosigned})",
        f"{word('in_clear')}: {', '.join(facts['found_in_clear']) or 0}",
        f"{word('seconds')}: {facts['seconds']} ({facts['redemptions_per_s']})",
        word("exact"),
    )
    return "\n".join(lines)


def _sentence(code: str, language: Language) -> str:
    text = TEXTS[Reason(code)]
    return f"{text.en if language == 'en' else text.zh}"


def show_address(settings: Settings, sandbox_url: str, language: Language) -> None:
    """How to reach a platform that was kept."""
    text = WORDS["kept"][language].format(url=settings.public_origin, sandbox=sandbox_url, data=settings.data)
    print(text, file=sys.stderr, flush=True)
