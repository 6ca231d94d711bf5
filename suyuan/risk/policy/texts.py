"""Everything that can be wrong with a policy: a closed list, and for each a sentence in English and Chinese."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Wrong(StrEnum):
    """The codes, from the bytes of the file to what its rules mean together."""

    text_is_not_utf8 = "text_is_not_utf8"
    text_begins_with_a_mark = "text_begins_with_a_mark"
    text_is_too_large = "text_is_too_large"
    text_has_hidden_characters = "text_has_hidden_characters"
    text_is_not_toml = "text_is_not_toml"
    table_has_no_heading = "table_has_no_heading"
    key_is_unknown = "key_is_unknown"
    key_is_missing = "key_is_missing"
    value_has_the_wrong_type = "value_has_the_wrong_type"
    value_is_out_of_range = "value_is_out_of_range"
    value_is_malformed = "value_is_malformed"
    rules_are_too_many = "rules_are_too_many"
    id_is_doubled = "id_is_doubled"
    word_is_unknown = "word_is_unknown"
    reason_is_missing = "reason_is_missing"
    reason_does_not_fit = "reason_does_not_fit"
    delay_does_not_fit = "delay_does_not_fit"
    rule_does_nothing = "rule_does_nothing"
    block_needs_an_action = "block_needs_an_action"
    override_does_more = "override_does_more"
    expression_is_too_large = "expression_is_too_large"
    expression_is_not_allowed = "expression_is_not_allowed"
    expression_is_malformed = "expression_is_malformed"
    expression_is_too_deep = "expression_is_too_deep"
    number_is_too_large = "number_is_too_large"
    name_is_unknown = "name_is_unknown"
    list_is_unknown = "list_is_unknown"
    list_is_not_about_this = "list_is_not_about_this"
    type_is_wrong = "type_is_wrong"
    divides_by_zero = "divides_by_zero"
    result_may_leave_64_bits = "result_may_leave_64_bits"
    comparison_is_constant = "comparison_is_constant"
    policy_has_too_many_nodes = "policy_has_too_many_nodes"
    rule_never_fires = "rule_never_fires"
    rule_always_fires = "rule_always_fires"
    rule_is_repeated = "rule_is_repeated"
    rules_contradict = "rules_contradict"
    rule_is_shadowed = "rule_is_shadowed"
    bands_are_out_of_order = "bands_are_out_of_order"
    band_is_never_reached = "band_is_never_reached"
    policy_is_too_dear = "policy_is_too_dear"


class Text(NamedTuple):
    """The sentence in both languages, without its place."""

    en: str
    zh: str


# fmt: off
# One entry is one line of English above one of Chinese, so that the two can be read side by side.
TEXTS: dict[Wrong, Text] = {
    Wrong.text_is_not_utf8: Text("the file is not UTF-8 text; save it as UTF-8.",
        "文件不是 UTF-8 文本，请以 UTF-8 保存。"),
    Wrong.text_begins_with_a_mark: Text("the file begins with a byte-order mark; save it without.",
        "文件以字节顺序标记（BOM）开头，请保存为无 BOM 格式。"),
    Wrong.text_is_too_large: Text("the file has more than {most} bytes; make it smaller.",
        "文件超过 {most} 字节，请缩减。"),
    Wrong.text_has_hidden_characters: Text("a character stands here that nobody can see ({shown}); take it out.",
        "此处有不可见字符（{shown}），请删除。"),
    Wrong.text_is_not_toml: Text("this is not TOML: {why}; correct it.",
        "不是合法的 TOML：{why}；请更正。"),
    Wrong.table_has_no_heading: Text("write every one of `{table}` under a heading [[{table}]] of its own.",
        "每个 `{table}` 请各自写在 [[{table}]] 标题之下。"),
    Wrong.key_is_unknown: Text("nothing here is called `{name}`; {near}.",
        "此处没有名为 `{name}` 的项；{near}。"),
    Wrong.key_is_missing: Text("`{name}` is missing; add it.",
        "缺少 `{name}`，请补上。"),
    Wrong.value_has_the_wrong_type: Text("`{name}` is not {what}; write it so.",
        "`{name}` 应为{what}，请更正。"),
    Wrong.value_is_out_of_range: Text("`{name}` is not between {least} and {most}; choose within.",
        "`{name}` 应在 {least} 与 {most} 之间，请更正。"),
    Wrong.value_is_malformed: Text("`{name}` is not {what}; write it so.",
        "`{name}` 应为{what}，请更正。"),
    Wrong.rules_are_too_many: Text("there are {count} rules, and at least {least} and at most {most} are taken.",
        "有 {count} 条规则，应为 {least} 至 {most} 条。"),
    Wrong.id_is_doubled: Text("`{name}` stands on line {other} already; give this one a name of its own.",
        "`{name}` 在第 {other} 行已出现，请另取名称。"),
    Wrong.word_is_unknown: Text("`{name}` is no {what}; {near}.",
        "`{name}` 不是{what}；{near}。"),
    Wrong.reason_is_missing: Text("it does something to people and gives no reason; add `reason`, a code of the public reasons.",
        "会影响当事人却没有理由，请以 `reason` 填写一个公开理由代码。"),
    Wrong.reason_does_not_fit: Text("`{name}` does not tell people of `{action}`; use one of {fitting}.",
        "`{name}` 与动作 `{action}` 不符，请用 {fitting} 之一。"),
    Wrong.delay_does_not_fit: Text("`delay_s` goes with the action delay, always and only; add it or take it out.",
        "动作 delay 必须且仅有它可带 `delay_s`，请补上或删去。"),
    Wrong.rule_does_nothing: Text("the rule does nothing; give it an `action`, `points` or a `limit_percent` (`points = 0` only watches).",
        "该规则没有作用，请填写 `action`、`points` 或 `limit_percent`（`points = 0` 表示仅观察）。"),
    Wrong.block_needs_an_action: Text("a rule of the lane block needs an `action` other than approve; add one.",
        "block 通道的规则须有除 approve 以外的 `action`，请补上。"),
    Wrong.override_does_more: Text("a rule of the lane override only approves, and only it does; take out `{name}`, or change the lane.",
        "override 通道的规则只能放行，且只有它能放行；请删去 `{name}` 或更换通道。"),
    Wrong.expression_is_too_large: Text("the expression has more than {most} characters; split the rule.",
        "表达式超过 {most} 个字符，请拆分规则。"),
    Wrong.expression_is_not_allowed: Text("`{shown}` is not part of the language of rules; use {allowed}.",
        "`{shown}` 不属于规则语言，只能用 {allowed}。"),
    Wrong.expression_is_malformed: Text("the expression cannot be read: {why}; correct it.",
        "表达式无法解析：{why}；请更正。"),
    Wrong.expression_is_too_deep: Text("the expression is nested more than {most} deep; write it flatter, or as two rules.",
        "表达式嵌套超过 {most} 层，请简化或拆成两条规则。"),
    Wrong.number_is_too_large: Text("`{shown}` does not fit into 64 bits; use a smaller number.",
        "`{shown}` 超出 64 位，请用较小的数。"),
    Wrong.name_is_unknown: Text("no input is called `{name}`; {near}.",
        "没有名为 `{name}` 的输入；{near}。"),
    Wrong.list_is_unknown: Text("no list is called `{name}`; {near}, or declare it under [[lists]].",
        "没有名为 `{name}` 的名单；{near}，或在 [[lists]] 下声明。"),
    Wrong.list_is_not_about_this: Text("the list `{name}` has no entries by `{key}`; it is declared with {keys}.",
        "名单 `{name}` 不按 `{key}` 登记；其声明为 {keys}。"),
    Wrong.type_is_wrong: Text("`{shown}` is {found} where {wanted} is needed; {hint}.",
        "`{shown}` 是{found}，此处需要{wanted}；{hint}。"),
    Wrong.divides_by_zero: Text("`{shown}` divides by zero; take it out.",
        "`{shown}` 除数为零，请删去。"),
    Wrong.result_may_leave_64_bits: Text("`{shown}` may be as much as {most}, which leaves 64 bits; divide before you multiply.",
        "`{shown}` 最大可达 {most}，超出 64 位；请先除后乘。"),
    Wrong.comparison_is_constant: Text("`{shown}` is {always} for every value that can come; correct the number (whether a value is there is asked by missing()).",
        "`{shown}` 对任何可能的取值都{always}，请更正数值（判断有无取值请用 missing()）。"),
    Wrong.policy_has_too_many_nodes: Text("all expressions together have {count} parts, over {most}; make them fewer.",
        "全部表达式共有 {count} 个节点，超过 {most}，请精简。"),
    Wrong.rule_never_fires: Text("the rule can never fire, because its conditions exclude each other; correct them.",
        "该规则的条件互相排斥，永远不会触发，请更正。"),
    Wrong.rule_always_fires: Text("the rule fires on every attempt; say on which it shall.",
        "该规则对每笔都会触发，请写明适用条件。"),
    Wrong.rule_is_repeated: Text("the same is said by rule `{other}` on line {other_line}; keep one of them.",
        "与第 {other_line} 行的规则 `{other}` 完全相同，请只保留一条。"),
    Wrong.rules_contradict: Text("for the same condition rule `{other}` on line {other_line} says `{other_action}` and this one `{action}`; keep one.",
        "同一条件下，第 {other_line} 行的规则 `{other}` 为 `{other_action}`，此处为 `{action}`，请只保留一条。"),
    Wrong.rule_is_shadowed: Text("the rule never decides anything: whenever it fires, `{other}` on line {other_line} goes before it; narrow that one or take this out.",
        "该规则不起任何作用：它触发时，第 {other_line} 行的规则 `{other}` 总是优先；请收窄后者或删去本条。"),
    Wrong.bands_are_out_of_order: Text("a band follows one with as high a score or a harder action; let scores rise, and actions never grow milder.",
        "分数段须按分数递增排列，动作不得变轻，请更正。"),
    Wrong.band_is_never_reached: Text("no score reaches {score}: all points together are {most}; lower the band or raise points.",
        "分数达不到 {score}：全部加分合计 {most}；请降低分数段或提高加分。"),
    Wrong.policy_is_too_dear: Text("one attempt costs {cost} µs on this sample, over {most}; make expressions shorter or fewer.",
        "在该样本上每笔耗时 {cost} 微秒，超过 {most}，请缩短或减少表达式。"),
}
# fmt: on
