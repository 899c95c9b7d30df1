"""Where a server listens and a client connects, as one URL."""

import re
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, ip_address
from typing import Self

_DEFAULT_PORTS = {"nymea": 2222, "nymeas": 2222, "ws": 4444, "wss": 4444}
_SCHEMES = (*_DEFAULT_PORTS, "unix")
_HOST_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A transport and its address: `nymea://host:port`, `nymeas://`, `ws://`, `wss://` or `unix:///path`.

    `host` is in lower case, an IPv6 address in its shortest form and without brackets. A unix endpoint has a
    path and no host, its port is 0; the others have no path.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL; ValueError says what is wrong with it, without repeating a password it may contain."""
        scheme, separator, rest = url.partition("://")
        scheme = scheme.lower()
        if not separator or scheme not in _SCHEMES:
            known = ", ".join(f"{name}://" for name in _SCHEMES)
            raise ValueError(f"the URL must start with one of {known}")
        if not rest.isprintable():
            raise ValueError("the URL contains control characters")
        if "?" in rest or "#" in rest:
            raise ValueError("the URL must have neither a query (?) nor a fragment (#)")
        if scheme == "unix":
            if not rest.startswith("/") or rest.endswith("/"):
                raise ValueError("the path must be absolute and name a file, like unix:///run/nymead-users.sock")
            return cls(scheme, "", 0, rest)
        authority, _, path = rest.partition("/")
        if "@" in authority:
            raise ValueError("the URL must not contain a user name or password")
        if path:
            raise ValueError(f"a {scheme}:// URL ends after the port, it has no path")
        host, port = _split(authority)
        return cls(scheme, _host(host), _DEFAULT_PORTS[scheme] if port is None else _port(port), "")

    @classmethod
    def http(cls, address: str) -> Self:
        """Read `host:port`, where plain HTTP is answered; ValueError says what is wrong with it."""
        host, port = _split(address)
        if port is None:
            raise ValueError("the port is missing; write host:port, like 127.0.0.1:9464")
        return cls("http", _host(host), _port(port), "")

    def __str__(self) -> str:
        if self.unix:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def tls(self) -> bool:
        """Whether what is sent is encrypted by TLS."""
        return self.scheme in ("nymeas", "wss")

    @property
    def websocket(self) -> bool:
        """Whether messages travel as WebSocket frames."""
        return self.scheme in ("ws", "wss")

    @property
    def unix(self) -> bool:
        """Whether it is a socket in the file system."""
        return self.scheme == "unix"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it; a host name other than localhost never counts."""
        if self.unix or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def with_port(self, port: int) -> Self:
        """Return the same endpoint at another port; a unix endpoint, which has none, as it is."""
        return self if self.unix else replace(self, port=port)


def _split(authority: str) -> tuple[str, str | None]:
    """Take `host`, `host:port` or `[host]:port` apart; the port is None where there is none."""
    if authority.startswith("["):
        end = authority.find("]") + 1
        host, rest = authority[:end], authority[end:]
        if not host or (rest and not rest.startswith(":")):
            raise ValueError("an IPv6 address must stand in brackets, like [::1]:2222")
        return host, rest[1:] if rest else None
    host, colon, port = authority.partition(":")
    if ":" in port:
        raise ValueError("an IPv6 address must stand in brackets, like [::1]:2222")
    return host, port if colon else None


def _host(text: str) -> str:
    if not text:
        raise ValueError("the host is missing; all of this machine's addresses are 0.0.0.0 or [::]")
    host = text.lower()
    last = host.removesuffix(".").rpartition(".")[2]
    try:
        if host.startswith("["):
            return str(IPv6Address(text[1:-1]))
        if last.isdigit():  # what ends like an IPv4 address is one, or a resolver may make one of it
            return str(ip_address(host))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None
    if len(host) > 253 or not _HOST_NAME.fullmatch(host):
        raise ValueError(f"{text!r} is neither a host name nor an IP address")
    return host


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError(f"the port must be a number from 0 to 65535, not {text!r}")
    return int(text)
