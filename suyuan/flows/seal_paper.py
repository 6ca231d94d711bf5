"""A paper is taken in: it is sealed, its file is written whole, and only then the line keeps that it exists.

1. What a stranger gave us becomes what is kept (`as_kept`): a photo is only its pixels, a shop's scan may be a PDF,
   which nobody here parses. The officer signs whose paper it is, its kind, its length and its keyed digest.
2. The content is sealed under the subject's data key of the kind's class, made now if there is none.
3. The sealed file is written and synced; clear content touches no disk.
4. The line keeps the row, with the key where it is new. What it refuses is taken away again.

A crash after (3) leaves a file without a row, which `tidy_papers` sweeps. A row without a file cannot come of a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from io import BytesIO
from typing import NamedTuple

import msgspec

from suyuan.base.refusals import Reason, Refusal
from suyuan.flows.keep_papers import AddPaper, DeletePaper, PapersAre
from suyuan.history.frames import Commands
from suyuan.privacy.paper_files import PaperFiles
from suyuan.privacy.papers import FILE_BYTES_MAX, KINDS
from suyuan.privacy.purposes import SHOP_PAPER
from suyuan.privacy.sealed_file import FILE_CHANCE_BYTES
from suyuan.privacy.subject_keys import SubjectKey, key_id
from suyuan.privacy.vault import KEY_CHANCE_BYTES, OpenKey, Vault

PDF_BEGINS, PDF_ENDS = b"%PDF-", b"%%EOF"
# Readers look for the end of a PDF this far before the end of its file (ISO 32000-1, annex H.3).
PDF_END_BYTES_MAX = 1_024


class PaperRoom(NamedTuple):
    """What keeping papers takes."""

    line: Commands
    vault: Vault
    files: PaperFiles
    look_up_keys: Callable[[Iterable[str]], Awaitable[dict[str, SubjectKey]]]
    chance: Callable[[int], bytes]


def as_kept(kind: str, content: bytes, clean: Callable[[bytes], bytes | Refusal]) -> bytes | Refusal:
    """The content as it is kept, or why it cannot be. `clean` makes a photo of nothing but its pixels."""
    if not content:
        return Refusal(Reason.paper_is_empty)
    if len(content) > FILE_BYTES_MAX:
        return Refusal(Reason.paper_is_too_large)
    if kind == SHOP_PAPER.column and content.startswith(PDF_BEGINS):
        return content if PDF_ENDS in content[-PDF_END_BYTES_MAX:] else Refusal(Reason.paper_is_torn)
    cleaned = clean(content)
    if isinstance(cleaned, bytes) and len(cleaned) > FILE_BYTES_MAX:
        return Refusal(Reason.paper_is_too_large)
    return cleaned


async def keep_paper(room: PaperRoom, command: AddPaper, content: bytes) -> PapersAre | Refusal:
    """Seals a paper and keeps it. The command is signed, all but for its data key."""
    assert len(content) == command.size_bytes, "what was signed is this content"
    # (1) Under the subject's data key of this class, which may have to be made.
    key = await _data_key(room, command)
    if isinstance(key, Refusal):
        return key
    open_key, is_new = key
    # (2) The file first, whole: a row without one would be a paper that is lost.
    pieces = room.vault.seal_file(
        BytesIO(content), open_key, KINDS[command.kind], command.paper, chance=room.chance(FILE_CHANCE_BYTES)
    )
    await asyncio.to_thread(room.files.write, command.paper, pieces)
    # (3) Then the row, with the key where it is new. What the line refuses is not kept; where it does not answer at all
    # the file waits, because the row may be there.
    answer = await room.line.submit(msgspec.structs.replace(command, subject_key=open_key.row if is_new else None))
    if isinstance(answer, Refusal):
        if answer.reason is not Reason.answer_is_not_known_yet:
            room.files.remove([command.paper])
        return answer
    assert isinstance(answer, PapersAre), "the line answers a paper with nothing else"
    return answer


async def _data_key(room: PaperRoom, command: AddPaper) -> tuple[OpenKey, bool] | Refusal:
    """The data key that closes it, and whether it is new."""
    key_class = KINDS[command.kind].key_class
    place = key_id(command.seller, key_class)
    row = (await room.look_up_keys([place])).get(place)
    if row is None:
        chance = room.chance(KEY_CHANCE_BYTES)
        return room.vault.new_key(command.seller, key_class, now=command.at, chance=chance), True
    if row.is_forgotten:
        return Refusal(Reason.subject_is_closed, "seller")
    return room.vault.unlock(row), False


async def delete_paper(line: Commands, files: PaperFiles, command: DeletePaper) -> PapersAre | Refusal:
    """Deletes a paper on an officer's word: the row first, then the file."""
    answer = await line.submit(command)
    if isinstance(answer, Refusal):
        return answer
    assert isinstance(answer, PapersAre), "the line answers a deletion with nothing else"
    await asyncio.to_thread(files.remove, answer.papers)
    return answer
