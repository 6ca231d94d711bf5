"""Every stop says in both languages what is wrong and what to do next."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from suyuan.evidence import check
from suyuan.evidence.log.fsck import SENTENCES as FAULTS
from suyuan.evidence.log.fsck import Fault
from suyuan.evidence.log.stops import SENTENCES, LogStopped, Stop

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def facts_in(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_sentences_stand_in_the_order_of_their_codes() -> None:
    assert list(SENTENCES) == list(Stop)
    assert list(FAULTS) == list(Fault)


@pytest.mark.parametrize("code", list(Stop))
def test_each_stop_says_what_to_do_next(code: Stop) -> None:
    english, chinese = SENTENCES[code]
    assert re.search(r"[;:].*\.$", english), "an English sentence that only blames"
    assert re.search(r"请.*。$", chinese), "a Chinese sentence that only blames"
    assert facts_in(english) == facts_in(chinese)


@pytest.mark.parametrize("code", list(Fault))
def test_each_finding_is_said_in_both_languages(code: Fault) -> None:
    english, chinese = FAULTS[code]
    assert CHINESE.search(chinese)
    assert facts_in(english) == facts_in(chinese)


def test_a_reason_is_given_in_the_language_of_the_sentence() -> None:
    bad = check.BadEvidence(check.Wrong.SIGNATURE_IS_BAD, key="a.example")
    stopped = LogStopped(Stop.CHECKPOINT_IS_NOT_OURS, file="checkpoint", reason=bad)
    assert str(bad) in str(stopped)
    assert bad.zh in stopped.zh
    assert not CHINESE.search(str(stopped))


def test_what_a_stranger_named_does_not_move_the_terminal() -> None:
    stopped = LogStopped(Stop.FILE_IS_MISSING, file="\x1b[2J" + "x" * 1_000)
    assert "\x1b" not in str(stopped)
    assert len(str(stopped)) < 400
