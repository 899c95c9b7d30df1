import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nymead_users.endpoint import Endpoint


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("nymea://192.0.2.1:2222", Endpoint("nymea", "192.0.2.1", 2222, "")),
        ("nymeas://home.example.org:1", Endpoint("nymeas", "home.example.org", 1, "")),
        ("ws://localhost:4444", Endpoint("ws", "localhost", 4444, "")),
        ("wss://[2001:db8::1]:65535", Endpoint("wss", "2001:db8::1", 65535, "")),
        ("nymea://[::]:0", Endpoint("nymea", "::", 0, "")),
        ("ws://0.0.0.0:0", Endpoint("ws", "0.0.0.0", 0, "")),  # noqa: S104 - parsed, not bound
        ("unix:///run/nymead-users.sock", Endpoint("unix", "", 0, "/run/nymead-users.sock")),
        ("unix:///tmp/a b/ä:1@%20", Endpoint("unix", "", 0, "/tmp/a b/ä:1@%20")),  # noqa: S108 - parsed, not opened
    ],
)
def test_a_url_survives_the_round_trip(url: str, endpoint: Endpoint) -> None:
    """A URL in its normal form is taken apart and put together again unchanged."""
    assert Endpoint.parse(url) == endpoint
    assert str(endpoint) == url


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("nymea://a", "nymea://a:2222"),
        ("nymeas://a/", "nymeas://a:2222"),
        ("ws://a", "ws://a:4444"),
        ("wss://a:02222/", "wss://a:2222"),
        ("NYMEA://LocalHost:1", "nymea://localhost:1"),
        ("ws://[2001:DB8:0:0::1]", "ws://[2001:db8::1]:4444"),
    ],
)
def test_a_url_has_one_normal_form(url: str, normal: str) -> None:
    """Default ports are filled in, letters lowered, IPv6 addresses shortened and a final slash dropped."""
    assert str(Endpoint.parse(url)) == normal


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must start with one of nymea://, nymeas://, ws://, wss://, unix://"),
        ("localhost:2222", "must start with one of"),
        ("http://a", "must start with one of"),
        (" nymea://a", "must start with one of"),
        ("nymea://", "host is missing"),
        ("nymea:///", "host is missing"),
        ("nymea://:2222", "host is missing"),
        ("nymea://*", "neither a host name nor an IP address"),
        ("nymea://a b", "neither a host name nor an IP address"),
        ("nymea://a..b", "neither a host name nor an IP address"),
        ("nymea://" + "a" * 64, "neither a host name nor an IP address"),
        ("nymea://müller.example", "neither a host name nor an IP address"),
        ("nymea://300.0.0.1", "not an IP address"),
        ("nymea://127.1", "not an IP address"),
        ("nymea://[1.2.3.4]", "not an IP address"),
        ("nymea://[::1", "in brackets"),
        ("nymea://[::1]2222", "in brackets"),
        ("nymea://::1", "in brackets"),
        ("nymea://user@a", "user name or password"),
        ("nymea://a?b", "query"),
        ("nymea://a#b", "fragment"),
        ("unix:///a?b", "query"),
        ("ws://a/path", "no path"),
        ("nymea://a:", "port"),
        ("nymea://a:65536", "port"),
        ("nymea://a:-1", "port"),
        ("nymea://a:x", "port"),
        ("nymea://a:٢", "port"),
        ("nymea://a\n", "control characters"),
        ("unix:///a\0", "control characters"),
        ("unix://a/b", "absolute"),
        ("unix://", "absolute"),
        ("unix:///run/", "name a file"),
    ],
)
def test_a_wrong_url_is_refused_with_its_reason(url: str, reason: str) -> None:
    """What is no endpoint raises ValueError saying why."""
    with pytest.raises(ValueError, match=reason):
        Endpoint.parse(url)


def test_a_refusal_keeps_the_password() -> None:
    """The refusal of a URL with a password doesn't repeat the password."""
    with pytest.raises(ValueError, match="password") as refusal:
        Endpoint.parse("nymea://user:Sesame1@a")
    assert "Sesame1" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "tls", "websocket", "unix"),
    [
        ("nymea://a", False, False, False),
        ("nymeas://a", True, False, False),
        ("ws://a", False, True, False),
        ("wss://a", True, True, False),
        ("unix:///a", False, False, True),
    ],
)
def test_the_scheme_decides_the_transport(url: str, tls: bool, websocket: bool, unix: bool) -> None:
    """Each scheme stands for one combination of TLS, WebSocket and unix socket."""
    endpoint = Endpoint.parse(url)
    assert (endpoint.tls, endpoint.websocket, endpoint.unix) == (tls, websocket, unix)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("unix:///a", True),
        ("ws://localhost", True),
        ("ws://LOCALHOST", True),
        ("ws://127.0.0.1", True),
        ("ws://127.255.255.254", True),
        ("ws://[::1]", True),
        ("ws://[0:0:0:0:0:0:0:1]", True),
        ("ws://0.0.0.0", False),
        ("ws://[::]", False),
        ("ws://192.168.0.1", False),
        ("ws://128.0.0.1", False),
        ("ws://localhost.example.org", False),
        ("ws://127.0.0.1.example.org", False),
        ("ws://home", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(url: str, loopback: bool) -> None:
    """Only unix sockets, localhost and loopback addresses count as loopback."""
    assert Endpoint.parse(url).loopback is loopback


def test_with_port_changes_only_the_port() -> None:
    """Another port leaves scheme and host alone, and a unix endpoint has none to change."""
    assert str(Endpoint.parse("wss://[::1]:0").with_port(5)) == "wss://[::1]:5"
    assert str(Endpoint.parse("unix:///a").with_port(5)) == "unix:///a"


_PIECES = st.lists(
    st.sampled_from(["nymea", "ws", "unix", "://", ":", "/", "[", "]", "::1", "%", "@", "?", "1", "a", ".", "é"])
    | st.text(max_size=3)
).map("".join)


@given(
    st.text()
    | _PIECES
    | st.builds("{}://{}".format, st.sampled_from(["nymea", "nymeas", "ws", "wss", "unix"]), _PIECES)
)
@example("nymea://[fe80::1%eth0]")
@example("nymea://[fe80::1%]")
@example("nymea://²")
@example("nymea://\udc80")
def test_any_text_is_an_endpoint_or_a_value_error(url: str) -> None:
    """Any text either parses to an endpoint whose URL parses to the same, or raises ValueError."""
    try:
        endpoint = Endpoint.parse(url)
    except ValueError:
        return
    assert Endpoint.parse(str(endpoint)) == endpoint
    assert isinstance(endpoint.loopback, bool)
