"""What can be wrong with a file of cards: a closed list of sentences, and where in the file each one holds.

A flaw names file, line and column, and never repeats what stands there: in a file whose columns are mixed up, any
field may be a PIN.

>>> flaw = Flaw("cell_is_empty", line=7, column=3, name="pin")
>>> flaw.text("cards.csv")
'cards.csv, line 7, column 3 (pin): There is nothing in this cell; fill it in.'
>>> flaw.text("cards.csv", "zh")
'cards.csv，第 7 行第 3 列（pin）：单元格为空，请填写。'
"""

from __future__ import annotations

from dataclasses import dataclass

from suyuan.base.refusals import TEXTS, Language, Reason

# fmt: off
# One entry is one line of English above one of Chinese, so that the two can be read side by side.
SENTENCES: dict[str, tuple[str, str]] = {
    "file_is_too_large": ("The file is larger than 64 MiB; split it into several.",
        "文件超过 64 MiB，请拆分成多个文件。"),
    "file_is_empty": ("The file holds no cards; its first line names the columns, each further line is one card.",
        "文件中没有卡。首行为列名，其后每行一张卡。"),
    "text_is_not_readable": ("This byte is not text in the file's encoding; save the file as UTF-8 or name --encoding.",
        "此处字节不符合文件编码，请另存为 UTF-8，或用 --encoding 指明编码。"),
    "row_is_not_csv": ("This line cannot be read as CSV; a quotation mark is open or in the wrong place.",
        "此行不是有效的 CSV，引号未闭合或位置不对。"),
    "column_is_unknown": ("No column has this name; use operator, serial, pin, face_yuan or face_fen, and reference.",
        "没有这个列名，可用：运营商、卡号、卡密、面值（元）或面值（分）、备注。"),
    "column_cannot_be_asked_for": ("Payee, ratio and value kind are registered, never asked for; take the column out.",
        "收款账户、比例、价值种类以登记为准，不能写在文件中，请删除该列。"),
    "column_is_doubled": ("Two columns say the same thing; keep one of them.",
        "两列含义相同，请只保留一列。"),
    "column_is_missing": ("This column is missing; the first line names operator, serial, pin and face_yuan.",
        "缺少此列，首行应有运营商、卡号、卡密、面值。"),
    "row_has_other_columns": ("This row has more or fewer cells than the first line; look for a separator.",
        "此行的单元格数与首行不符，缺少或多了分隔符。"),
    "cell_is_empty": ("There is nothing in this cell; fill it in.",
        "单元格为空，请填写。"),
    "cell_has_hidden_characters": ("There is a character in this cell that nobody sees; type it again.",
        "单元格含有不可见字符，请重新输入。"),
    "cell_is_a_formula": ("This cell holds a formula; paste its value as text.",
        "单元格是公式，请以文本形式粘贴其值。"),
    "cell_is_too_long": ("This cell is too long; a reference has at most 64 characters.",
        "单元格过长，备注最多 64 个字符。"),
    "number_was_rounded": ("A spreadsheet has rounded this number; make the column text and paste it again.",
        "表格软件把此号码变成了科学计数，末尾数字已丢失，请将该列设为文本后重新粘贴。"),
    "amount_is_malformed": ("This is not an amount; write yuan such as 100.00, or whole fen in a column face_fen.",
        "金额格式不对，请写成 100 或 100.00（元），或在 face_fen 列写整数分。"),
    "card_is_doubled": ("This card stands in the file twice; take it out here, a card becomes money once.",
        "文件中有重复的卡，请删除此行，一张卡只能兑换一次。"),
}
# fmt: on


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong, and where. `column` counts from 1 as a spreadsheet does; 0 means the whole line."""

    code: str
    line: int
    column: int = 0
    name: str = ""
    other_line: int = 0
    """Where the same card stands first."""

    def sentence(self, language: Language = "en") -> str:
        """What is wrong and what to do, without the place."""
        if self.code in SENTENCES:
            text = SENTENCES[self.code][0 if language == "en" else 1]
        else:
            known = TEXTS[Reason(self.code)]
            text = known.en if language == "en" else known.zh
        if not self.other_line:
            return text
        first = (
            f" (It stands first in line {self.other_line}.)"
            if language == "en"
            else f"（首次出现于第 {self.other_line} 行。）"
        )
        return text + first

    def text(self, file: str, language: Language = "en") -> str:
        """The whole line for people."""
        if language == "en":
            place = f", column {self.column} ({self.name})" if self.column else f" ({self.name})" if self.name else ""
            return f"{file}, line {self.line}{place}: {self.sentence(language)}"
        place = f"第 {self.column} 列（{self.name}）" if self.column else f"（{self.name}）" if self.name else ""
        return f"{file}，第 {self.line} 行{place}：{self.sentence(language)}"
