"""The public log's files at `/log/…`, as any static server could serve them: no account, no signature.

What is served is what strangers check with, and nothing else of the folder: the list of shards, the policy, and of
each shard its checkpoint, its newest cosigned one, its links and its tiles (c2sp.org/tlog-tiles). A full tile under a
signed checkpoint never changes; one that is not signed yet might, after a loss, so it is asked for again each time.

>>> [bool(_SERVED.fullmatch(path)) for path in ("2026/checkpoint", "2026/tile/0/x001/234.p/7", "2026/lock", "stopped")]
[True, True, False, False]
"""

from __future__ import annotations

import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from suyuan.evidence.log.shard_list import signed_size
from suyuan.evidence.log.tiles import Place
from suyuan.evidence.log.tree import TILE_WIDTH

_TILE = r"tile/(?:[0-9]|[1-5][0-9]|6[0-3]|entries)/(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[0-9]{1,3})?"
_NOTE = r"checkpoint(?:\.cosigned)?|link|next"
_SERVED = re.compile(rf"shards\.json|policy\.tlog-policy|[0-9]{{4}}(?:-[0-9]{{1,4}})?/(?:{_NOTE}|{_TILE})")
_FOR_EVER, _ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"


class PublicLog(StaticFiles):
    """Serves the folder of the log."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._folder = folder

    def _is_signed(self, path: str) -> bool:
        """Whether this is a full tile that the published checkpoint covers."""
        shard, _, rest = path.partition("/")
        place = Place.parse(rest)
        if place is None or place.width < TILE_WIDTH:
            return False
        entries: int = (place.number + 1) * TILE_WIDTH ** (max(place.level, 0) + 1)
        return entries <= signed_size(self._folder, shard)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with how long it may be kept."""
        if not _SERVED.fullmatch(path):
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = _FOR_EVER if self._is_signed(path) else _ASK_AGAIN
        if path.endswith("shards.json"):
            return response
        is_tile = "/tile/" in path
        response.headers["content-type"] = "application/octet-stream" if is_tile else "text/plain; charset=utf-8"
        return response
