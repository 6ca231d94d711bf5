"""The privacy notice is published: history remembers each version from the first time that it is served.

Whoever serves it says so to the line, at each start; only a version that is new is kept, with its whole text, so that
a consent that names it can be read years later beside what was shown.
"""

from __future__ import annotations

import msgspec

from suyuan.base.refusals import Refusal
from suyuan.flows.desk import Desk, ask_line
from suyuan.flows.shelves import Shelves
from suyuan.history.line import Applier, Decided, Turn
from suyuan.history.privacy_events import NoticePublished
from suyuan.privacy.notices import PublishedNotice


class PublishNotice(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Asks the line to remember that this notice is served."""

    version: str
    content: bytes


class NoticeStands(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """This version is remembered, now or since long."""

    version: str


async def publish_notice(desk: Desk) -> NoticeStands | Refusal:
    """Has the line remember the notice that this desk serves."""
    answer = await ask_line(desk, PublishNotice(desk.notice.version, desk.notice.content))
    assert isinstance(answer, NoticeStands | Refusal), "the line answers a notice with nothing else"
    return answer


# --- in the line ---------------------------------------------------------------------------------


def want(shelves: Shelves, command: PublishNotice, now: int) -> bool:
    """Which rows are needed."""
    shelves.notices.want(command.version)
    return True


def apply(shelves: Shelves, command: PublishNotice, turn: Turn) -> Decided:
    """Remembers a version, once."""
    if shelves.notices.get(command.version) is not None:
        return Decided(NoticeStands(command.version))
    notice = PublishedNotice.of(command.content, at=turn.at)
    assert notice.version == command.version, "a notice is named by its digest"
    shelves.notices.add(notice)
    return Decided(NoticeStands(notice.version), (NoticePublished(notice.version),))


APPLIER = Applier(want, apply)
