"""The platform's HTTP face under `/v1`: a thin typed layer over Starlette and msgspec.

`build(desk)` gives an ASGI application. What it serves stands in one table (`routes`), from which the OpenAPI 3.1
document is written too (`/openapi.json`), so neither can promise what the other does not do. `door` is the one way in:
it bounds what it reads, keeps the raw bytes for the signature, tells the story that the route names, and signs what it
answers. No text of an exception ever reaches a caller.

>>> paths = document("https://api.example.com")["paths"]
>>> sorted(paths["/v1/redemptions"])
['get', 'post']
"""

from suyuan.faces.http.building import build
from suyuan.faces.http.openapi import document

__all__ = ["build", "document"]
