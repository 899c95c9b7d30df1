"""The console in the browser: static files beside this module, read once when a server starts.

The scripts and styles stand under a path that carries a hash of all of them: a browser keeps them for ever, and
an upgrade brings new paths. Only the page itself is asked for again.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from importlib.resources.abc import Traversable

from nymead_users.transport.site import Resource, Site

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: The start page names its assets by this prefix; it is replaced by the one with the hash.
_ASSETS = b'"assets/'

#: Where the start page lists the modules, so that a browser need not find them one import after the other.
_MODULES = b"<!-- modules -->"


def console_site(contract: bytes) -> Site:
    """The console's files, with the contract (an OpenRPC document) and a sign of life beside them."""
    files = dict(_files(resources.files(__package__), ""))
    start = files.pop("index.html")
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    folder = f"assets/{digest.hexdigest()[:16]}"
    found = {
        f"/{folder}/{name}": Resource(content, _content_type(name), immutable=True) for name, content in files.items()
    }
    modules = "".join(
        f'<link rel="modulepreload" href="assets/{name}">' for name in sorted(files) if name.endswith(".js")
    )
    start = start.replace(_MODULES, modules.encode()).replace(_ASSETS, f'"{folder}/'.encode())
    page = Resource(start, CONTENT_TYPES[".html"])
    return Site(
        {
            **found,
            "/": page,
            "/index.html": page,
            "/favicon.ico": Resource(files["icon.svg"], CONTENT_TYPES[".svg"]),
            "/openrpc.json": Resource(contract, "application/json", any_host=True),
            "/healthz": Resource(b"ok\n", "text/plain; charset=utf-8", any_host=True),
        }
    )


def _files(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _files(entry, f"{name}/")
        elif _content_type(name):
            found.append((name, entry.read_bytes()))
    return found


def _content_type(name: str) -> str:
    """The content type of a file that is served; "" for others."""
    return next((kind for suffix, kind in CONTENT_TYPES.items() if name.endswith(suffix)), "")
