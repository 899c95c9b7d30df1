"""Answers plain HTTP from a fixed table of files: the pages that a WebSocket port shows to a browser."""

from __future__ import annotations

import email.utils
import hashlib
import http
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response

#: What a page may do: run our own scripts and speak to this server, and nothing else. Script can't be made of
#: text at all. Nobody may frame, embed or script it from outside.
PAGE_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

ALLOWED_METHODS = ("GET", "HEAD")

_REVALIDATE = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Resource:
    """What is at a path.

    ``immutable``: another content would be at another path, so it need never be asked for again.
    ``any_host``: served under whatever name the server is called, since it is no page.
    """

    content: bytes
    content_type: str
    immutable: bool = False
    any_host: bool = False
    etag: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "etag", f'"{hashlib.sha256(self.content).hexdigest()[:32]}"')


class Site:
    """Resources by their absolute paths. Nothing is looked up anywhere else, so there is nowhere to escape to."""

    def __init__(self, resources: Mapping[str, Resource]) -> None:
        self._resources = dict(resources)

    def find(self, target: str) -> Resource | None:
        """What is at a request's target; its query does not matter."""
        try:
            return self._resources.get(urlsplit(target).path) if target.startswith("/") else None
        except ValueError:
            return None

    def answer(self, request: Request) -> Response:
        """The response to a request that is no WebSocket upgrade."""
        if request.method not in ALLOWED_METHODS:
            return method_not_allowed()
        head = request.method == "HEAD"
        resource = self.find(request.path)
        if resource is None:
            return refusal(http.HTTPStatus.NOT_FOUND, "not found", head=head)
        caching = {
            "ETag": resource.etag,
            "Cache-Control": _FOR_EVER if resource.immutable else _REVALIDATE,
        }
        if _matches(request.headers.get_all("If-None-Match"), resource.etag):
            return _response(http.HTTPStatus.NOT_MODIFIED, caching, b"")
        described = {
            "Content-Type": resource.content_type,
            "Content-Length": str(len(resource.content)),
            **caching,
        }
        return _response(http.HTTPStatus.OK, described, b"" if head else resource.content)


class KnownHosts:
    """The names under which web pages may reach the server: whoever makes another one point here is stopped.

    These are IP literals, localhost, this machine's name and ``allowed``.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        machine = socket.gethostname().lower()
        short = machine.partition(".")[0]
        self._names = frozenset({"localhost", machine, short, f"{short}.local", *allowed})

    def __contains__(self, host: str) -> bool:
        """Whether a Host header's value is one of them, with whatever port."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_ip_literal(name)

    def objection(self, headers: Headers) -> str | None:
        """Why a request with these headers is refused; None if it is not."""
        try:
            host = headers.get("Host", "")
        except MultipleValuesError:
            return "Host may come once only"
        return None if host in self else UNKNOWN_HOST


UNKNOWN_HOST = "unknown Host; the operator can add it to allowed_hosts"


def _is_ip_literal(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def refusal(status: http.HTTPStatus, reason: str, *, head: bool) -> Response:
    """A response without a page."""
    body = f"{reason}\n".encode()
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
    }
    return _response(status, headers, b"" if head else body)


def method_not_allowed() -> Response:
    """The response to everything but GET and HEAD."""
    response = refusal(http.HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", head=False)
    response.headers["Allow"] = ", ".join(ALLOWED_METHODS)
    return response


def _response(status: http.HTTPStatus, headers: Mapping[str, str], body: bytes) -> Response:
    every = {"Date": email.utils.formatdate(usegmt=True), "Connection": "close", **headers, **PAGE_SECURITY}
    return Response(status.value, status.phrase, Headers(every), body)


def _matches(conditions: list[str], etag: str) -> bool:
    """Whether If-None-Match names the content that the client would get (RFC 9110, weak comparison)."""
    candidates = [candidate.strip() for condition in conditions for candidate in condition.split(",")]
    return any(candidate in ("*", etag) or candidate == f"W/{etag}" for candidate in candidates)
