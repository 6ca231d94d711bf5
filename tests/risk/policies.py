"""Policies for tests: one that lets everything pass, and short ones that come to one action."""

from __future__ import annotations

from typing import Any

from suyuan.risk.catalogue import load_catalogue
from suyuan.risk.decide import Engine
from suyuan.risk.memory import Risk, names_here
from suyuan.risk.policy.policy import Policy, load_policy

QUIET = """
name = "quiet"
[[rules]]
id = "looks_on"
when = "face_fen >= 1"
points = 0
zh = "仅观察"
en = "only looks on"
"""


def read_policy(text: str) -> Policy:
    """A policy by its text."""
    return load_policy(text, names_here())


def rule(when: str, **says: Any) -> str:
    """The text of a policy of one rule."""
    lines = [f"{name} = {_written(value)}" for name, value in says.items()]
    return "\n".join(
        ['name = "one"', "[[rules]]", 'id = "the_rule"', f"when = '{when}'", *lines, 'zh = "规则"', 'en = "rule"']
    )


def _written(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def quiet_risk() -> Risk:
    """A memory that decides nothing against anybody, for tests of what comes before and after."""
    return Risk(engine=Engine(load_catalogue(), read_policy(QUIET)))
