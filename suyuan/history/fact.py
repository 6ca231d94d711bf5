"""What every event of history is.

>>> class Rang(Fact, frozen=True, tag="rang/1"):
...     bell: str
>>> msgspec.json.encode(Rang("door"))
b'{"kind":"rang/1","bell":"door"}'
"""

from __future__ import annotations

import msgspec


class Fact(msgspec.Struct, frozen=True, tag_field="kind", omit_defaults=False, forbid_unknown_fields=True):
    """Frozen, and tagged by its kind and version."""
