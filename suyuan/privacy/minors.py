"""How old a person is, by the birthday in their identity number, and who is too young to be registered here.

Under 14 a person's data is sensitive and takes a guardian's consent under rules of its own (个人信息保护法 2021, art.
31), which this platform does not offer, so children are never registered. Up to 18 a person's acts mostly need their
legal representative's consent (民法典 2020, art. 19); one of 16 who lives on work of their own counts as an adult
(art. 18), which the platform cannot see. So it asks for 18, unless its operator, who can, sets 16 or 17.

>>> birthday_of("110101201002291235"), birthday_of("110101201002281235")
(None, datetime.date(2010, 2, 28))
>>> age_on(date(2010, 2, 28), date(2024, 2, 27)), age_on(date(2010, 2, 28), date(2024, 2, 28))
(13, 14)
"""

from __future__ import annotations

from datetime import date

from suyuan.base.refusals import Reason, Refusal

CHILD_BELOW = 14
_BIRTHDAY = slice(6, 14)


def check_age(identity_number: str, *, today: str, age_min: int) -> Refusal | None:
    """Whether a person is old enough to be registered today, or why not. The number itself is never repeated."""
    birthday, day = birthday_of(identity_number), date.fromisoformat(today)
    if birthday is None or birthday > day:
        return Refusal(Reason.field_is_malformed, "identity_number")
    age = age_on(birthday, day)
    if age < CHILD_BELOW:
        return Refusal(Reason.seller_is_a_child, "identity_number")
    return Refusal(Reason.seller_is_too_young, "identity_number") if age < age_min else None


def birthday_of(identity_number: str) -> date | None:
    """The birthday that an 18-digit identity number names, if there is such a day."""
    digits = identity_number[_BIRTHDAY]
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def age_on(birthday: date, day: date) -> int:
    """Full years of age. Whoever was born on a leap day is a year older from the first of March of other years."""
    return day.year - birthday.year - ((day.month, day.day) < (birthday.month, birthday.day))
