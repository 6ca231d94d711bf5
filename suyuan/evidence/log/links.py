"""Ties one shard to the next, outside the leaves: a note that both of them sign.

    suyuan-link-v1
    <the old shard's origin>
    <its last size>
    <its last root, base64>
    <the new shard's origin>
    <the seq of the event that is the new shard's first entry>
                                an empty line, then the signature lines of both shards' keys

The second line is no number, so no reader can take a link for a checkpoint.

Lies as `next` in the old shard's folder, which closes it, and as `link` in the new one's.

Invariants: a link is made for a shard that is sealed to its end; both copies are the same bytes; a shard that is
continued is never continued by another one.

>>> link = Link("example.com/log/2025", 2, bytes(32), "example.com/log/2026", 17)
>>> read_link(link_text(link)) == link
True
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from suyuan.evidence import check
from suyuan.evidence.log.note import LogSigner, ed25519_fits, sign_note, signature_fits
from suyuan.evidence.log.shard import Shard, stopping
from suyuan.evidence.log.stops import LogStopped, Stop
from suyuan.evidence.log.tiles import LINK, NEXT, read_note_file, replace_file

FORMAT = "suyuan-link-v1"


class Link(NamedTuple):
    """Where one shard ends and the next one begins."""

    old_origin: str
    old_size: int
    old_root: bytes
    new_origin: str
    first_seq: int


def link_text(link: Link) -> bytes:
    lines = [FORMAT, link.old_origin, link.old_size, check.to_base64(link.old_root), link.new_origin, link.first_seq]
    return "".join(f"{line}\n" for line in lines).encode()


def read_link(text: bytes) -> Link | None:
    """The link that this text is, in its only form, if it is one."""
    lines = text.decode("utf-8", "replace").split("\n")
    if len(lines) != 7:
        return None
    _, old_origin, size_text, root_text, new_origin, seq_text, _ = lines
    size, root, seq = check.decimal(size_text), check.from_base64(root_text), check.decimal(seq_text)
    if size is None or root is None or seq is None:
        return None
    link = Link(old_origin, size, root, new_origin, seq)
    return link if link_text(link) == text else None


def check_link(note: bytes, old_keys: Sequence[check.Vkey], new_keys: Sequence[check.Vkey]) -> Link | None:
    """The link of this note, signed by both shards; `None` if it is not one. Raises `BadEvidence` for bad signatures.

    The keys are Ed25519 ones, and each side's must have signed by itself.
    """
    opened = check.read_note(note)
    link = read_link(opened.text)
    for keys in (old_keys, new_keys):
        check.check_signatures(opened, keys, verify=ed25519_fits)
    origins = ({key.name for key in old_keys}, {key.name for key in new_keys})
    return link if link and link.old_origin in origins[0] and link.new_origin in origins[1] else None


def link(old: Shard, signed: check.Checkpoint, new: Shard, *, first_seq: int) -> bytes:
    """Closes the old shard at its last checkpoint and ties the new one to it; done again, it changes nothing.

    Both are shards and no open logs, because the old one may be too damaged to be opened. Raises `LogStopped`.
    """
    text = link_text(Link(old.origin, signed.size, signed.root, new.origin, first_seq))
    files = [(old, old.folder / NEXT), (new, new.folder / LINK)]
    with stopping():
        for shard in (old, new):
            shard.folder.mkdir(parents=True, exist_ok=True)
        signers = [*old.signers, *new.signers]
        found = []
        for shard, file in files:
            standing = read_note_file(file)
            if standing is None or not _is_signed(standing, shard.signers):
                # One that is damaged says nothing, and is made again.
                continue
            if not standing.startswith(text + b"\n"):
                raise LogStopped(Stop.SHARD_IS_CLOSED, file=file.name)
            if _is_signed(standing, signers):
                found.append((file, standing))
        note = found[0][1] if found else sign_note(text, signers)
        for shard, file in files:
            if (file, note) not in found:
                replace_file(file, note, shard.before)
    return note


def _is_signed(note: bytes, signers: Sequence[LogSigner]) -> bool:
    """Whether every one of these keys has signed the note."""
    try:
        opened = check.read_note(note)
    except check.BadEvidence:
        return False
    lines = {(line.name, line.key_id): line.blob for line in opened.signatures}
    vkeys = [signer.vkey for signer in signers]
    return all(
        (blob := lines.get((vkey.name, vkey.key_id))) is not None and signature_fits(vkey, opened.text, blob)
        for vkey in vkeys
    )
