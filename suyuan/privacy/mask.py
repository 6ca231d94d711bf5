"""What a person's data looks like to somebody who need not know it: enough to tell two apart, too little to use.

The vault shows every field through its mask unless the authority says that the whole value is needed. A mask hides a
value from a glance; it does not make it anonymous (four hidden digits are ten thousand guesses), so what is masked is
still personal data, read under an authority and counted.

>>> masked_name("王芳"), masked_number("13800000001"), masked_identity("110101199001011237")
('王**', '138****0001', '11**************37')
>>> masked_account("6222020000000001"), hidden("123456789012345678"), masked_number("138")
('**0001', '******', '******')
"""

from __future__ import annotations

from collections.abc import Callable

Mask = Callable[[str], str]

# As long whatever stands behind it, because lengths tell something too.
HIDDEN = "******"
_SHOWN_MAX_SHARE = 2  # A mask that would show more than half of a short value hides all of it.


def masked_name(text: str) -> str:
    """The first character."""
    return text[:1] + "**"


def masked_number(text: str) -> str:
    """A phone number as bills print it: three digits, four hidden ones, four digits."""
    return f"{text[:3]}****{text[-4:]}" if len(text) >= len("13800000001") else HIDDEN


def masked_identity(text: str) -> str:
    """The province and the last two characters; birthday and place of registration stay hidden."""
    return _ends(text, 2, "*" * 14, 2)


def masked_account(text: str) -> str:
    """The last four characters of an account or a serial."""
    return _ends(text, 0, "**", 4)


def hidden(_: str) -> str:
    """Nothing of it: PINs, and the content of files."""
    return HIDDEN


def _ends(text: str, head: int, stars: str, tail: int) -> str:
    if len(text) < (head + tail) * _SHOWN_MAX_SHARE:
        return HIDDEN
    return text[:head] + stars + text[len(text) - tail :]
