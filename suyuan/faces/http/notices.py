"""The privacy notice as anybody may read it: for machines its very bytes, for people a page in their language.

`GET /v1/privacy-notice` answers the canonical JSON, whose SHA-256 is its version, unless Accept asks for `text/html` or
`text/markdown`; `?lang=zh|en` chooses the language of those. `Notice-Version` names the version in every form.

>>> [_chosen(accept) for accept in (b"", b"*/*", b"text/html,application/xml;q=0.9", b"text/markdown")]
[b'application/json', b'application/json', b'text/html', b'text/markdown']
"""

from __future__ import annotations

from typing import Annotated, cast

import msgspec
from starlette.types import Scope

from suyuan.base.refusals import Language, Refusal
from suyuan.faces import notice_page
from suyuan.faces.http.answers import JSON, Reply, problem
from suyuan.privacy.classes import Privacy
from suyuan.privacy.notice import Notice
from suyuan.settle.body import Reader, form

VERSION_HEADER = b"notice-version"
HTML, MARKDOWN = b"text/html", b"text/markdown"
# The page is text alone, so a browser need neither run nor fetch anything for it.
_INERT = (b"content-security-policy", b"default-src 'none'")


class NoticeWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In which language a page is shown; the JSON holds both."""

    lang: Annotated[str, form("zh|en", length_max=2), Privacy.OPEN] = "zh"


WISHES = Reader(NoticeWish)


def answer_notice(notice: Notice, scope: Scope) -> Reply:
    """The notice, as whoever asks reads it."""
    wish = WISHES.read_query("?" + scope["query_string"].decode("latin-1"))
    if isinstance(wish, Refusal):
        return problem(wish)
    language = cast("Language", wish.lang)
    kind = _chosen(_accepted(scope))
    version = (VERSION_HEADER, notice.version.encode())
    if kind == HTML:
        page = notice_page.html(notice, language).encode()
        return Reply(200, page, HTML + b"; charset=utf-8", (version, _INERT))
    if kind == MARKDOWN:
        text = notice_page.markdown(notice, language).encode()
        return Reply(200, text, MARKDOWN + b"; charset=utf-8", (version,))
    return Reply(200, notice.content, JSON, (version,))


def _accepted(scope: Scope) -> bytes:
    return b",".join(value for name, value in scope["headers"] if name == b"accept")


def _chosen(accepted: bytes) -> bytes:
    """The first form that the caller names; JSON for whoever names none of the three."""
    for part in accepted.lower().split(b","):
        kind = part.partition(b";")[0].strip()
        if kind in (JSON, HTML, MARKDOWN):
            return kind
    return JSON
