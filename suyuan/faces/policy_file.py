"""A policy in a file, read by its bytes, so that every command finds the same digest; and what it costs here.

>>> from tempfile import TemporaryDirectory
>>> from suyuan.risk.policy.policy import shipped_text
>>> with TemporaryDirectory() as folder:
...     file = Path(folder, "policy.toml")
...     written = file.write_bytes(shipped_text().encode())
...     policy = read_policy(file)
>>> policy.name, cost_of(policy).us > 0
('default', True)
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from suyuan.base.clock import thread_cpu_s
from suyuan.risk.catalogue import load_catalogue
from suyuan.risk.policy.cost import Cost, made_up, measure_cost
from suyuan.risk.policy.mistakes import BadPolicy, Mistake
from suyuan.risk.policy.names import Names, names_of
from suyuan.risk.policy.policy import Policy, load_policy
from suyuan.risk.policy.reading import TEXT_BYTES_MAX, text_of

SEED = 1


def read_policy(file: Path) -> Policy:
    """The policy of a file. Raises `OSError`, and `BadPolicy` for whatever is wrong with its bytes or its rules."""
    with file.open("rb") as opened:
        # One byte more than is taken shows that there are too many, however many there are.
        text = text_of(opened.read(TEXT_BYTES_MAX + 1))
    if isinstance(text, Mistake):
        raise BadPolicy((text,))
    return load_policy(text, _names())


def cost_of(policy: Policy) -> Cost:
    """What a policy costs on this machine, on inputs made up from its own constants."""
    chance = Random(SEED)  # noqa: S311 - the same policy is measured on the same inputs
    return measure_cost(policy, made_up(policy, _names(), chance), cpu_s=thread_cpu_s)


def _names() -> Names:
    return names_of(load_catalogue().features)
