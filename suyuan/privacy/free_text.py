"""What people write by hand beside personal data: reasons, references, numbers of cases and orders.

Such words stand in history for ever and in the clear, so they must not say who a person is; officers name people by
pseudonym. Nothing can tell every such word, and somebody who means to smuggle a number past this will; it stops the
slip of whoever pastes what the caller said. Looked for, in either width and in the groups that people write: a mobile
number, an ID number with its birthday, a bank card that passes its check digit, a mail address.

>>> [holds_personal_value(text) for text in ("call of 138 0000 0001", "ID 110101199001011237", "card 6222021234567894")]
[True, True, True]
>>> [holds_personal_value(text) for text in ("粤0305刑初1234号", "ticket 20261125-0042", "req_01J8Z3", "slr_7f3a")]
[False, False, False, False]
>>> is_line("case 7"), is_line(""), is_line("two\\nlines"), is_line("x" * 201)
(True, False, False, False)
"""

from __future__ import annotations

import re
import unicodedata

from suyuan.privacy.minors import birthday_of

LENGTH_MAX = 200

_LINE = re.compile(rf"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{{1,{LENGTH_MAX}}}")
_GAP = r"[ \-.]?"
_MOBILE = re.compile(rf"(?<!\d)(?:(?:00|\+)?86{_GAP})?1[3-9]\d{_GAP}\d{{4}}{_GAP}\d{{4}}(?!\d)")
_IDENTITY = re.compile(rf"(?<!\d)\d{{6}}{_GAP}\d{{8}}{_GAP}\d{{3}}[\dXx](?!\d)")
# Cards begin with 3 to 6; a number that begins with a year is none.
_CARD = re.compile(rf"(?<!\d)[3-6]\d{{3}}(?:{_GAP}\d{{4}}){{3}}(?:{_GAP}\d{{1,3}})?(?!\d)")
_MAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
_YEARS = range(1900, 2100)


def is_line(text: str) -> bool:
    """Whether a text is one line of what can be read, and no longer than needed."""
    return _LINE.fullmatch(text) is not None


def holds_personal_value(text: str) -> bool:
    """Whether something in a text looks like a person's number, and so does not belong into it."""
    plain = unicodedata.normalize("NFKC", text)
    return (
        _MOBILE.search(plain) is not None
        or _MAIL.search(plain) is not None
        or any(_is_identity(_digits(found.group())) for found in _IDENTITY.finditer(plain))
        or any(_passes_check(_digits(found.group())) for found in _CARD.finditer(plain))
    )


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def _is_identity(number: str) -> bool:
    birthday = birthday_of(number)
    return birthday is not None and birthday.year in _YEARS


def _passes_check(number: str) -> bool:
    """The check digit of bank cards (ISO/IEC 7812-1, annex B)."""
    doubled = (int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number)))
    return sum(digit // 10 + digit % 10 for digit in doubled) % 10 == 0
