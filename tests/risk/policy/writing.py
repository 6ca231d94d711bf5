"""Policies as text, for tests, over the names that decisions really have."""

from __future__ import annotations

from suyuan.risk.catalogue import load_catalogue
from suyuan.risk.policy.names import Names, names_of
from suyuan.risk.policy.policy import Policy, load_policy

NAMES: Names = names_of(load_catalogue().features)

LISTS = """
[[lists]]
name = "hot_cards"
keys = ["card"]
zh = "已报失的卡"
en = "cards reported as stolen"

[[lists]]
name = "trusted"
keys = ["seller", "device"]
zh = "核实过的卖卡人"
en = "sellers who were visited"
"""


def rule(rule_id: str, when: str, **keys: object) -> str:
    """One rule as text; words are given where none are."""
    written = {"id": rule_id, "when": when, "zh": "说明", "en": "what it is for", **keys}
    lines = [f"{key} = {_toml(value)}" for key, value in written.items() if value is not None]
    return "\n[[rules]]\n" + "\n".join(lines) + "\n"


def band(score_min: int, **keys: object) -> str:
    """One band as text."""
    written = {"score_min": score_min, **keys}
    return "\n[[bands]]\n" + "\n".join(f"{key} = {_toml(value)}" for key, value in written.items() if value is not None)


def text(*parts: str) -> str:
    """A whole policy."""
    return 'name = "a test"\n' + "".join(parts)


def policy(*parts: str) -> Policy:
    """A policy that is right."""
    return load_policy(text(*parts), NAMES)


def inputs(of: Policy, **values: int | None) -> list[int | None]:
    """The inputs of a policy; what is not named is missing, and hits are none."""
    unknown = set(values) - set(of.inputs)
    assert not unknown, f"no such inputs: {unknown}"
    return [values.get(name, 0 if ":" in name else None) for name in of.inputs]


def _toml(value: object) -> str:
    if isinstance(value, str):
        return f"'{value}'" if "'" not in value else f'"{value}"'
    return str(value).replace("True", "true")
