"""The reference pages that are written from the code, so that they cannot fall behind it.

`docs/refusals.md` holds exactly what `refusals_page` gives; a test compares them, and
`python3 -m suyuan.faces.reference > docs/refusals.md` writes it again.

>>> refusals_page().splitlines()[0]
'# Refusals · 拒绝'
"""

from __future__ import annotations

from suyuan.base.refusals import TEXTS

_HEAD = """# Refusals · 拒绝

Every refusal of the platform in its order of precedence: where several apply, the first in this list is given. The code
is stable; programs go by it. Over HTTP a refusal is a problem document (RFC 9457) with this code and both sentences.
平台的全部拒绝，按先后次序排列：同时有多项时，给出列表中最靠前的一项。代码稳定不变，供程序使用。
HTTP 以问题文档（RFC 9457）返回代码和两种语言的说明。

| code | HTTP | English | 中文 |
|---|--:|---|---|
"""


def refusals_page() -> str:
    """The page of all refusals, as Markdown."""
    rows = [f"| `{reason}` | {text.status} | {text.en} | {text.zh} |\n" for reason, text in TEXTS.items()]
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    print(refusals_page(), end="")
