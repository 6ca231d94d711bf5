"""Events that tell of papers, which are kept in files beside the database; `events` lists them with all others."""

from __future__ import annotations

from suyuan.history.fact import Fact
from suyuan.privacy.classes import Open, Pseudonym


class PaperSealed(Fact, frozen=True, tag="paper_sealed/1"):
    """A photo or a scanned paper of a seller was closed and kept. Neither what it shows nor its file's name is."""

    paper: Open[str]
    seller: Pseudonym[str]
    partner: Open[str]
    paper_kind: Open[str]
    size_bytes: Open[int]
    digest: Pseudonym[str]  # Keyed, so that only the platform can say which content it was.
    by: Open[str]


class PaperDeleted(Fact, frozen=True, tag="paper_deleted/1"):
    """Its sealed file is gone. The reason keeps what came of it: an identity card's photo was `verified`, or not."""

    paper: Open[str]
    seller: Pseudonym[str]
    paper_kind: Open[str]
    reason: Open[str]
    by: Open[str]
