import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nymead_users.config import (
    ConfigError,
    Configuration,
    Settings,
    fields,
    flatten,
    load,
    option,
    sections,
    variable,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the tests' configuration file is."""
    return tmp_path / "nymead.toml"


def _load(file: Path, toml: str, environ: Mapping[str, str] | None = None, **options: Any) -> Configuration:
    file.write_text(toml, encoding="utf-8")
    return load(file, {key.replace("__", "."): value for key, value in options.items()}, environ or {})


def _refusal(file: Path, toml: str, environ: Mapping[str, str] | None = None, **options: Any) -> str:
    with pytest.raises(ConfigError) as refusal:
        _load(file, toml, environ, **options)
    return str(refusal.value)


def test_the_defaults_stand_alone() -> None:
    """Without any source every setting has its default, and its origin says so."""
    configuration = load(environ={})
    assert set(configuration.origins.values()) == {"default"}
    assert [listener.url for listener in configuration.settings.listeners] == [
        "nymea://127.0.0.1:2222",
        "ws://127.0.0.1:4444",
    ]
    assert configuration.settings.argon2.workers >= 1
    assert configuration.settings.limits.message_size == 1_048_576


@pytest.mark.parametrize(
    ("toml", "key", "text", "values"),
    [
        ('server_name = "file"', "server_name", "environment", ("option", "environment", "file")),
        ("[limits]\nmessage_size = 2000", "limits.message_size", "3000", (4000, 3000, 2000)),
        ('allowed_hosts = ["a", "b"]', "allowed_hosts", "c,d", (["e"], ["c", "d"], ["a", "b"])),
    ],
)
def test_the_nearer_source_wins(file: Path, toml: str, key: str, text: str, values: tuple[Any, Any, Any]) -> None:
    """An option wins over the environment, that over the file, that over the default, and origins tell."""
    file.write_text(toml, encoding="utf-8")
    environ = {variable(key): text}

    def outcome(path: Path | None, environ: Mapping[str, str], value: Any) -> tuple[Any, str]:
        configuration = load(path, {key: value}, environ)
        return flatten(configuration.settings)[key], configuration.origins[key]

    assert outcome(file, environ, values[0]) == (values[0], f"option {option(key)}")
    assert outcome(file, environ, None) == (values[1], f"environment {variable(key)}")
    assert outcome(file, {}, None) == (values[2], f"file {file}")
    assert outcome(None, {}, None) == (flatten(Settings())[key], "default")


def test_sources_meet_in_one_table(file: Path) -> None:
    """Each setting of a table can come from another source."""
    configuration = _load(
        file,
        "[limits]\nconnections = 5\nhandshake_time = 3",
        {"NYMEAD_USERS_LIMITS__OUTBOX_SIZE": "4096"},
        limits__message_size=2048,
    )
    limits = configuration.settings.limits
    assert (limits.connections, limits.handshake_time, limits.outbox_size) == (5, 3.0, 4096)
    assert (limits.message_size, limits.connections_per_address) == (2048, 256)


def test_the_environment_is_text(file: Path) -> None:
    """Numbers, truth values, paths and lists are read from a variable's text."""
    settings = _load(
        file,
        "",
        {
            "NYMEAD_USERS_PUSH_BUTTON": "yes",
            "NYMEAD_USERS_SELF_SERVICE": "TRUE",
            "NYMEAD_USERS_DATA_DIR": "/srv/nymea",
            "NYMEAD_USERS_THROTTLING__FIRST_DELAY": "0.5",
            "NYMEAD_USERS_LISTENERS": "unix:///run/n.sock, nymea://localhost",
            "NYMEAD_USERS_ALLOWED_HOSTS": '["A", "b.example"]',
            "NYMEAD_USERS_ALLOWED_ORIGINS": "[]",
            "PATH": "/bin",
        },
    ).settings
    assert (settings.push_button, settings.self_service) == (True, True)
    assert settings.data_dir == Path("/srv/nymea")
    assert settings.throttling.first_delay == 0.5
    assert [listener.url for listener in settings.listeners] == [
        "unix:///run/n.sock",
        "nymea://localhost:2222",
    ]
    assert settings.allowed_hosts == ("a", "b.example")
    assert settings.allowed_origins == ()


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no environment is passed the process's own is read, and only by load."""
    monkeypatch.setenv("NYMEAD_USERS_SERVER_NAME", "attic")
    assert load().settings.server_name == "attic"
    assert Settings().server_name == "nymea"


@pytest.mark.parametrize(
    "toml",
    [
        'listeners = ["unix:///a", "nymeas://0.0.0.0:0"]',
        '[[listeners]]\nurl = "unix:///a"\n[[listeners]]\nurl = "nymeas://0.0.0.0:0"\nauthentication = true',
        'listeners = ["unix:///a", {url = "nymeas://0.0.0.0:0"}]',
    ],
)
def test_listeners_are_urls_or_tables(file: Path, toml: str) -> None:
    """A listener in the file is a URL or a table with one."""
    assert flatten(_load(file, toml).settings)["listeners"] == [
        {"url": "unix:///a", "authentication": True},
        {"url": "nymeas://0.0.0.0:0", "authentication": True},
    ]


def test_listeners_in_the_environment_can_be_tables(file: Path) -> None:
    """JSON in the environment variable can set a listener's authentication."""
    environ = {"NYMEAD_USERS_LISTENERS": '["unix:///a", {"url": "ws://localhost", "authentication": false}]'}
    listeners = _load(file, "", environ).settings.listeners
    assert [listener.authentication for listener in listeners] == [True, False]
    assert listeners[1].endpoint.websocket


PLAINTEXT = [
    ("nymea://0.0.0.0", False),
    ("nymea://[::]", False),
    ("ws://192.0.2.1", False),
    ("ws://home.example.org", False),
    ("ws://localhost", True),
    ("nymea://127.0.0.1", True),
    ("nymea://[::1]", True),
    ("nymeas://0.0.0.0", True),
    ("wss://[::]", True),
    ("unix:///run/nymea.sock", True),
]


@pytest.mark.parametrize(("url", "fine"), PLAINTEXT)
def test_plaintext_stays_on_the_machine(file: Path, url: str, fine: bool) -> None:
    """A plaintext listener beyond loopback is refused with the ways out, unless insecure is set."""
    if fine:
        _load(file, "", listeners=["unix:///a", url])
    else:
        refusal = _refusal(file, "", listeners=["unix:///a", url])
        assert refusal.startswith(f"listeners[1] (option --listen): {url}:")
        secure = "wss://" if url.startswith("ws") else "nymeas://"
        assert "plaintext" in refusal
        assert f"use {secure} instead, or set insecure" in refusal
    assert _load(file, "", listeners=[url], insecure=True).settings.insecure


@pytest.mark.parametrize(
    ("url", "fine"),
    [("nymeas://0.0.0.0", False), ("wss://192.0.2.1", False), ("ws://localhost", True), ("unix:///a", True)],
)
def test_open_doors_stay_on_the_machine(file: Path, url: str, fine: bool) -> None:
    """A listener without authentication beyond loopback is refused, unless insecure is set."""
    toml = f'[[listeners]]\nurl = "{url}"\nauthentication = false'
    if fine:
        _load(file, toml)
    else:
        refusal = _refusal(file, toml)
        assert refusal.startswith(f"listeners[0] (file {file}): {url}")
        assert "authentication" in refusal
        assert "insecure" in refusal
    assert not _load(file, "insecure = true\n" + toml).settings.listeners[0].authentication


@pytest.mark.parametrize(
    ("toml", "key", "reason"),
    [
        ("listeners = []", "listeners", "must not be empty"),
        ('listeners = "nymea://localhost"', "listeners", "must be a list"),
        ("listeners = [5]", "listeners[0]", "must be a URL or a table with a url, not 5"),
        (
            'listeners = ["http://localhost"]',
            "listeners[0].url",
            "must start with one of nymea://, nymeas://",
        ),
        ("[[listeners]]\nauthentication = true", "listeners[0].url", "is missing"),
        (
            '[[listeners]]\nurl="unix:///a"\nauthentication="no"',
            "listeners[0].authentication",
            "true or false",
        ),
        ('insecure = "yes"', "insecure", "must be true or false, not 'yes'"),
        ('data_dir = ""', "data_dir", "must be a path, neither empty"),
        ("data_dir = 5", "data_dir", "must be a path, not 5"),
        ('data_dir = "~nobody-of-this-name/x"', "data_dir", "home directory that is not known"),
        ('initial_setup = "never"', "initial_setup", "must be 'anyone', 'local' or 'off', not 'never'"),
        ('allowed_origins = ["*"]', "allowed_origins[0]", "is not one web origin"),
        ('allowed_origins = ["null"]', "allowed_origins[0]", "is not one web origin"),
        ('allowed_origins = ["https://a", "https://b/"]', "allowed_origins[1]", "is not one web origin"),
        ('allowed_origins = ["a.example"]', "allowed_origins[0]", "is not one web origin"),
        ('allowed_origins = ["https://*.a"]', "allowed_origins[0]", "is not one web origin"),
        ('allowed_origins = ["https://a:443"]', "allowed_origins[0]", "leave out the default port"),
        ('allowed_hosts = ["a:80"]', "allowed_hosts[0]", "without scheme, port and path"),
        ('allowed_hosts = ["*"]', "allowed_hosts[0]", "is not a host name"),
        ('server_name = ""', "server_name", "must have at least 1 character"),
        (f'server_name = "{"x" * 256}"', "server_name", "must have at most 255 characters"),
        ('server_name = "a\\u0007"', "server_name", "must not contain control characters"),
        ("server_name = 5", "server_name", "must be text, not 5"),
        ('locale = "english"', "locale", "like en or en_US, not 'english'"),
        ("limits = 5", "limits", "must be a table of settings, [limits]"),
        ("[limits]\nmessage_size = 1023", "limits.message_size", "greater than or equal to 1024, not 1023"),
        ('[limits]\nmessage_size = "5000"', "limits.message_size", "must be a whole number, not '5000'"),
        ("[limits]\nconnections = 0", "limits.connections", "greater than or equal to 1, not 0"),
        ("[limits]\nconnections = true", "limits.connections", "must be a whole number, not True"),
        ("[limits]\nconnections_per_address = -1", "limits.connections_per_address", "greater than or equal"),
        ("[limits]\nhandshake_time = 0", "limits.handshake_time", "must be greater than 0"),
        ("[limits]\nhandshake_time = inf", "limits.handshake_time", "must be a finite number"),
        ("[limits]\nhandshake_time = nan", "limits.handshake_time", "must be a finite number"),
        ("[limits]\noutbox_size = -1", "limits.outbox_size", "greater than or equal to 1024"),
        ("[limits]\ntokens_per_user = 0", "limits.tokens_per_user", "greater than or equal to 1"),
        ('metrics = "127.0.0.1"', "metrics", "the port is missing"),
        ('metrics = "[::1"', "metrics", "must stand in brackets"),
        ('metrics = "home.example.org:9464"', "metrics", "to everybody on the network"),
        ("metrics = 9464", "metrics", "must be text"),
        ("[argon2]\ntime_cost = 0", "argon2.time_cost", "greater than or equal to 1"),
        ("[argon2]\nmemory_cost = 7", "argon2.memory_cost", "greater than or equal to 8"),
        ("[argon2]\nmemory_cost = 4294967296", "argon2.memory_cost", "less than or equal to 4294967295"),
        ("[argon2]\nparallelism = 0", "argon2.parallelism", "greater than or equal to 1"),
        ("[argon2]\nworkers = 0", "argon2.workers", "greater than or equal to 1"),
        ("[argon2]\nqueue = -1", "argon2.queue", "greater than or equal to 0"),
        ("[throttling]\nfree_attempts = -1", "throttling.free_attempts", "greater than or equal to 0"),
        ("[throttling]\nfirst_delay = -0.5", "throttling.first_delay", "must be greater than 0"),
        ("[throttling]\nmax_delay = inf", "throttling.max_delay", "must be a finite number"),
        ("[throttling]\nforget_after = 0.0", "throttling.forget_after", "must be greater than 0"),
        ('[log]\nlevel = "loud"', "log.level", "must be 'debug', 'info', 'warning' or 'error', not 'loud'"),
        ('[log]\nformat = "xml"', "log.format", "must be 'text' or 'json', not 'xml'"),
    ],
)
def test_a_wrong_value_is_refused(file: Path, toml: str, key: str, reason: str) -> None:
    """A wrong value in the file is refused in one line with its key, the file and the reason."""
    refusal = _refusal(file, toml)
    assert refusal.startswith(f"{key} (file {file}): ")
    assert reason in refusal
    assert "\n" not in refusal
    assert "pydantic" not in refusal


@pytest.mark.parametrize(
    ("toml", "keys", "reason"),
    [
        ('tls_cert = "/a"', "tls_cert (file {}) and tls_key (default)", "both or neither"),
        ('tls_key = "/a"', "tls_cert (default) and tls_key (file {})", "both or neither"),
        (
            "[argon2]\nparallelism = 9000",
            "argon2.memory_cost (default) and argon2.parallelism (file {})",
            "at least 8 times the parallelism, 72000 KiB here",
        ),
        (
            "[throttling]\nfirst_delay = 301",
            "throttling.max_delay (default) and throttling.first_delay (file {})",
            "must not be below the first",
        ),
        (
            "[throttling]\nforget_after = 60",
            "throttling.forget_after (file {}) and throttling.max_delay (default)",
            "must not be forgotten before the longest delay is over, 300 s here",
        ),
    ],
)
def test_values_must_suit_each_other(file: Path, toml: str, keys: str, reason: str) -> None:
    """Settings that contradict each other are refused with all their keys and origins."""
    refusal = _refusal(file, toml)
    assert refusal.startswith(keys.format(file) + ": ")
    assert reason in refusal


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("limits.message_size", "big", "must be a whole number, not 'big'"),
        ("limits.connections", "0", "must be greater than or equal to 1, not 0"),
        ("limits.handshake_time", "inf", "must be a finite number, not inf"),
        ("insecure", "perhaps", "must be true or false, not 'perhaps'"),
        ("allowed_hosts", "[a", """must be a list, like ["…", "…"], not '[a'"""),
        ("allowed_origins", "https://a,*", "is not one web origin"),
        ("data_dir", "", "is empty; unset it or give it a value"),
    ],
)
def test_a_wrong_variable_is_named(file: Path, key: str, text: str, reason: str) -> None:
    """The refusal of a value from the environment names the setting, the variable and the reason."""
    refusal = _refusal(file, "", {variable(key): text})
    assert refusal.startswith(key)
    assert f" (environment {variable(key)}): " in refusal
    assert reason in refusal


def test_a_wrong_option_is_named(file: Path) -> None:
    """The refusal of a value from the command line names the setting and the option."""
    refusal = _refusal(file, "", log__level="loud", data_dir="", listeners=["x"], allowed_hosts=["a:1"])
    for named in (
        "log.level (option --log-level): ",
        "data_dir (option --data-dir): ",
        "listeners[0].url (option --listen): ",
        "allowed_hosts[0] (option --allowed-hosts): ",
    ):
        assert named in refusal


@pytest.mark.parametrize(
    ("toml", "key", "suggested"),
    [
        ('server_nam = "x"', "server_nam", "server_name"),
        ("message_size = 5", "message_size", "limits.message_size"),
        ("[limit]\nconnections = 5", "limit", "limits"),
        ("[limits]\nconection = 5", "limits.conection", "limits.connections"),
        (
            '[[listeners]]\nurl = "unix:///a"\nautentication = true',
            "listeners[0].autentication",
            "listeners[].authentication",
        ),
        ("xyzzy = 5", "xyzzy", None),
        ("_env_file = 5", "_env_file", None),
        ('"a.b" = 5', "a.b", None),
    ],
)
def test_an_unknown_key_in_the_file_is_refused(file: Path, toml: str, key: str, suggested: str | None) -> None:
    """A key that is no setting is refused, with the nearest that is."""
    ending = f"; did you mean {suggested}?" if suggested else ""
    assert _refusal(file, toml) == f"{key} (file {file}): unknown setting{ending}"


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("NYMEAD_USERS_SERVERNAME", "NYMEAD_USERS_SERVER_NAME"),
        ("NYMEAD_USERS_LIMITS_MESSAGE_SIZE", "NYMEAD_USERS_LIMITS__MESSAGE_SIZE"),
        ("NYMEAD_USERS_LOG__LEVEL__X", "NYMEAD_USERS_LOG__LEVEL"),
        ("nymead_users_insecure", "NYMEAD_USERS_INSECURE"),
        ("NYMEAD_USERS_CONFG", "NYMEAD_USERS_CONFIG"),
    ],
)
def test_an_unknown_variable_is_refused(file: Path, name: str, suggested: str) -> None:
    """A variable with our prefix that is no setting is refused, with the nearest that is."""
    assert _refusal(file, "", {name: "1"}) == (f"{name} (environment): unknown variable; did you mean {suggested}?")


def test_every_problem_is_told_at_once(file: Path) -> None:
    """One refusal has a line for each problem of each source."""
    refusal = _refusal(file, 'a = 1\nlocale = "x"', {"NYMEAD_USERS_B": "1"}, log__format="y")
    assert len(refusal.splitlines()) == 4


def test_the_environment_can_name_the_file(file: Path, tmp_path: Path) -> None:
    """NYMEAD_USERS_CONFIG names the file where no file is given otherwise."""
    other = tmp_path / "other.toml"
    other.write_text('server_name = "other"', encoding="utf-8")
    environ = {"NYMEAD_USERS_CONFIG": str(other)}
    assert load(None, None, environ).origins["server_name"] == f"file {other}"
    assert _load(file, "", environ).settings.server_name == "nymea"


def test_a_missing_file_is_refused(file: Path) -> None:
    """A file that can't be read is refused with its name, the reason and who named it."""
    with pytest.raises(ConfigError, match=r"--config.*No such file") as refusal:
        load(file, environ={})
    assert str(file) in str(refusal.value)
    with pytest.raises(ConfigError, match=r"NYMEAD_USERS_CONFIG.*Is a directory"):
        load(environ={"NYMEAD_USERS_CONFIG": str(file.parent)})


def test_a_broken_file_is_refused(file: Path) -> None:
    """A file that is no TOML is refused with its name, the line and the reason."""
    refusal = _refusal(file, "insecure = true\nlocale en")
    assert refusal.startswith(f"file {file}: is not valid TOML: ")
    assert "line 2" in refusal
    file.write_bytes(b'locale = "\xff"')
    with pytest.raises(ConfigError, match="not UTF-8 text, at byte 11"):
        load(file, environ={})


def test_settings_never_change(file: Path) -> None:
    """No setting can be changed once it is read."""
    settings = _load(file, "").settings
    with pytest.raises(ValidationError, match="frozen"):
        settings.insecure = True  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.limits.connections = 5  # type: ignore[misc]


def test_flatten_is_json_of_every_setting(file: Path) -> None:
    """Flattened settings have every key once, hold what JSON can hold, and read back as the same settings."""
    settings = _load(file, 'tls_cert = "~/a"\ntls_key = "b"').settings
    flat = flatten(settings)
    assert flat["tls_cert"] == str(Path("~/a").expanduser())
    assert list(flat) == list(fields())
    assert load(None, json.loads(json.dumps(flat)), {}).settings == settings


def test_every_setting_is_described() -> None:
    """Every setting, every table and every part of a listener has a description."""
    listener = Settings().listeners[0]
    declared = [
        *fields().values(),
        *(Settings.model_fields[name] for name in sections()),
        *type(listener).model_fields.values(),
    ]
    assert [field for field in declared if not field.description] == []
