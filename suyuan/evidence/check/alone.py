"""The command line of `verify.py`, the one file in which a stranger gets this checker.

    python3 -I verify.py BUNDLE [--policy FILE]

Exit status: 0 where everything that was checked is good, 1 where something is wrong, 2 where nothing could be checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from suyuan.evidence.check.bundle import check_bundle
from suyuan.evidence.check.policy import POLICY_BYTES_MAX, Policy, read_policy
from suyuan.evidence.check.report import Said, what_was_checked, what_was_not_checked
from suyuan.evidence.check.wrong import BadEvidence

GOOD, BAD, USAGE = 0, 1, 2

_USAGE = """\
Usage: python3 -I verify.py BUNDLE [--policy FILE]
Checks an evidence bundle (.suyuan-evidence.zip) offline. FILE names whom you believe (c2sp.org/tlog-policy).
用法：python3 -I verify.py 证据包 [--policy 策略文件]
离线核对证据包（.suyuan-evidence.zip）；策略文件写明信任哪些日志与见证方。
"""


class Outcome(NamedTuple):
    """What to print and how to exit."""

    status: int
    text: str


class _Asked(NamedTuple):
    bundle: Path
    policy: Path | None


def run_verify(arguments: Sequence[str]) -> Outcome:
    """What these arguments of the command line come to."""
    asked = _read_arguments(arguments)
    if asked is None:
        return Outcome(USAGE, _USAGE)
    try:
        bundle = check_bundle(asked.bundle, _read_policy(asked.policy))
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        return Outcome(USAGE, f"Cannot be read: {reason}\n无法读取：{reason}\n")
    except BadEvidence as bad:
        return Outcome(BAD, f"BAD. {bad}\n有误。{bad.zh}\n")
    done, left = list(what_was_checked(bundle)), list(what_was_not_checked(bundle))
    sections = [
        (Said("GOOD. This was checked:", "无误。已核对："), done),
        (Said("This was NOT checked:", "未核对："), left),
    ]
    return Outcome(GOOD, _listed(sections))


def _read_arguments(arguments: Sequence[str]) -> _Asked | None:
    match arguments:
        case [bundle] if not bundle.startswith("-"):
            return _Asked(Path(bundle), None)
        case [bundle, "--policy", policy] | ["--policy", policy, bundle] if not bundle.startswith("-"):
            return _Asked(Path(bundle), Path(policy))
    return None


def _read_policy(file: Path | None) -> Policy | None:
    if file is None:
        return None
    with file.open("rb") as opened:
        content = opened.read(POLICY_BYTES_MAX + 1)
    try:
        return read_policy(content)
    except BadEvidence as bad:
        raise bad.inside(str(file)) from None


def _listed(sections: Iterable[tuple[Said, list[Said]]]) -> str:
    english, chinese = [], []
    for title, said in sections:
        english += [title.en, *(f"- {one.en}" for one in said), ""]
        chinese += [title.zh, *(f"- {one.zh}" for one in said), ""]
    return "\n".join([*english, *chinese])
