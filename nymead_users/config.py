"""The server's settings: from options, environment, file and defaults, checked before anything starts."""

import difflib
import json
import os
import re
import reprlib
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from platformdirs import user_state_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from nymead_users.endpoint import Endpoint

ENV_PREFIX = "NYMEAD_USERS_"
CONFIG_VARIABLE = ENV_PREFIX + "CONFIG"


class ConfigError(Exception):
    """The settings can't be used; the text tells the operator why, one problem per line."""


# The rules for single values. Each takes the value and returns it, in its normal form, or raises ValueError.


def _path(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    if not str(value) or "\0" in str(value):
        raise ValueError("must be a path, neither empty nor with null characters")
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"{str(value)!r} begins with a home directory that is not known") from None


def _url(url: str) -> str:
    return str(Endpoint.parse(url))


def _origin(value: str) -> str:
    value = value.lower()
    form = re.fullmatch(r"([a-z][a-z0-9+.-]*)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", value)
    if not form:
        raise ValueError(
            f"{value!r} is not one web origin; write scheme://host or scheme://host:port, nothing more,"
            " like https://home.example.org"
        )
    scheme, port = form.groups()
    if (scheme, port) in (("http", "80"), ("https", "443")):
        raise ValueError(f"{value!r} would never match: browsers leave out the default port :{port}")
    return value


def _host_name(value: str) -> str:
    value = value.lower()
    if len(value) > 253 or not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", value):
        raise ValueError(f"{value!r} is not a host name; write it without scheme, port and path")
    return value


def _server_name(value: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError("must not contain control characters")
    return value


def _locale(value: str) -> str:
    if not re.fullmatch("[a-z]{2,3}(_[A-Z]{2})?", value):
        raise ValueError(f"must be a language with or without a country, like en or en_US, not {value!r}")
    return value


def _together(reason: str, *keys: str) -> PydanticCustomError:
    """Return the error of settings that are right one by one and wrong together; it names all of them."""
    return PydanticCustomError("together", "{reason}", {"reason": reason, "keys": keys})


Origins = tuple[Annotated[str, AfterValidator(_origin)], ...]
HostNames = tuple[Annotated[str, AfterValidator(_host_name)], ...]
FilePath = Annotated[Path, BeforeValidator(_path)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Table(BaseModel):
    """Settings that stand together; frozen, of exactly the declared types, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Listener(Table):
    """One address to listen on. In a list of listeners, a plain URL stands for a table with nothing else."""

    url: Annotated[str, AfterValidator(_url)] = Field(
        description="Where to listen: `nymea://host:port` (TCP), `nymeas://` (TCP with TLS), `ws://`"
        " (WebSocket, and the console for browsers), `wss://` (the same with TLS) or"
        " `unix:///absolute/path`. The host is an address of this machine; `0.0.0.0` and `[::]`"
        " mean all of them. The port defaults to 2222, on WebSocket to 4444; with port 0 the system"
        " picks a free one."
    )
    authentication: bool = Field(
        default=True,
        description="Whether clients of this listener need a token. Without, everybody who can connect"
        " may do everything.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_url(cls, value: object) -> object:
        return {"url": value} if isinstance(value, str) else value

    @property
    def endpoint(self) -> Endpoint:
        """The URL, taken apart."""
        return Endpoint.parse(self.url)


def _safe(listener: Listener, info: ValidationInfo) -> Listener:
    """Refuse what others on the network could read or enter, unless the operator set `insecure`."""
    endpoint = listener.endpoint
    if endpoint.loopback or info.data.get("insecure", True):  # absent: it was refused itself
        return listener
    if not endpoint.tls:
        secure = "wss" if endpoint.websocket else "nymeas"
        raise ValueError(
            f"{endpoint} would send passwords and tokens in plaintext beyond this machine;"
            f" use {secure}:// instead, or set insecure"
        )
    if not listener.authentication:
        raise ValueError(
            f"{endpoint} without authentication would let everybody on the network do everything;"
            " leave authentication on, listen on loopback only, or set insecure"
        )
    return listener


def _metrics(address: str, info: ValidationInfo) -> str:
    endpoint = Endpoint.http(address)
    if not (endpoint.loopback or info.data.get("insecure", True)):  # absent: it was refused itself
        raise ValueError(
            f"{address} would show the server's metrics to everybody on the network, in plaintext; listen on"
            " loopback, or set insecure"
        )
    return str(endpoint).removeprefix("http://")


def _some(listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
    if not listeners:
        raise ValueError("must not be empty: nobody could connect")
    return listeners


Listeners = Annotated[tuple[Annotated[Listener, AfterValidator(_safe)], ...], AfterValidator(_some)]


class Limits(Table):
    """How much one client, or all of them, may take."""

    message_size: Annotated[int, Field(ge=1024)] = Field(
        default=1_048_576,
        description="The largest message accepted, in bytes; at least 1024. A larger one is answered with"
        " an error and the connection closes.",
    )
    connections: Positive = Field(
        default=10_000, description="How many connections may be open at once, over all listeners."
    )
    connections_per_address: Positive = Field(
        default=256,
        description="How many connections one client address may have open at once. Loopback is exempt,"
        " for a reverse proxy sits there.",
    )
    handshake_time: Seconds = Field(
        default=10.0,
        description="How long a new connection may stay silent, in seconds: until its TLS or WebSocket"
        " handshake is done and its first message is there.",
    )
    outbox_size: Annotated[int, Field(ge=1024)] = Field(
        default=8_388_608,
        description="How much may wait to be sent to one client, in bytes; at least 1024. A client that"
        " reads so slowly that more piles up is disconnected; the others notice nothing.",
    )
    tokens_per_user: Positive = Field(
        default=1000,
        description="How many tokens one user may have. At one login more the user's oldest token is removed,"
        " one of the same device name if there is any.",
    )


class Argon2(Table):
    """What hashing a password costs: the server each login, whoever stole the database each guess."""

    time_cost: Annotated[int, Field(ge=1, le=2**32 - 1)] = Field(
        default=3,
        description="How many passes over the memory one hash takes. After a change, a stored hash is"
        " renewed at its user's next login; as long as any is left, every login computes one hash at the"
        " old cost and one at the new, so that nobody can be told apart by it.",
    )
    memory_cost: Annotated[int, Field(ge=8, le=2**32 - 1)] = Field(
        default=65_536,
        description="The memory one hash takes, in KiB; at least 8 times `argon2.parallelism`. Up to"
        " `argon2.workers` times as much is in use at once.",
    )
    parallelism: Annotated[int, Field(ge=1, le=2**24 - 1)] = Field(
        default=1, description="How many lanes, and so threads, one hash is computed in."
    )
    workers: Positive = Field(
        default_factory=lambda: max(1, (os.cpu_count() or 1) - 1),
        description="How many hashes are computed at once. The default is the number of processors less"
        " one, which is left for everything else.",
    )
    queue: Annotated[int, Field(ge=0)] = Field(
        default=128,
        description="How many logins may wait for a worker. Beyond, a login is answered `server busy` at once,"
        " as is one from an address that takes up a quarter of the places already. Logins from the machine"
        " itself have as many places of their own, and so have new passwords.",
    )

    @model_validator(mode="after")
    def _memory_for_all_lanes(self) -> Self:
        if self.memory_cost < 8 * self.parallelism:
            raise _together(
                f"the memory must be at least 8 times the parallelism, {8 * self.parallelism} KiB here",
                "memory_cost",
                "parallelism",
            )
        return self


class Access(Table):
    """Locks, and who may open them."""

    groups_per_lock: Positive = Field(default=10, description="In how many lock groups a lock may be at once.")
    pin_attempts: Positive = Field(
        default=5, description="So many wrong PINs in a row lock a credential out; a right one before that clears them."
    )
    pin_lockout: Seconds = Field(
        default=300.0, description="How long a credential opens nothing after too many wrong PINs, in seconds."
    )


class Throttling(Table):
    """How failed logins slow down the address and the account that fail, and nobody else."""

    free_attempts: Annotated[int, Field(ge=0)] = Field(
        default=3, description="How many failed logins in a row cost no delay."
    )
    first_delay: Seconds = Field(
        default=1.0,
        description="The first delay, in seconds. It grows with each further failure.",
    )
    max_delay: Seconds = Field(
        default=300.0,
        description="The longest delay, in seconds; neither below `throttling.first_delay` nor above"
        " `throttling.forget_after`.",
    )
    forget_after: Seconds = Field(
        default=900.0,
        description="How long after the last failure all failures are forgotten, in seconds; not below"
        " `throttling.max_delay`, which would end with it.",
    )

    @model_validator(mode="after")
    def _delays_grow(self) -> Self:
        if self.max_delay < self.first_delay:
            raise _together("the longest delay must not be below the first", "max_delay", "first_delay")
        if self.forget_after < self.max_delay:
            raise _together(
                f"failures must not be forgotten before the longest delay is over, {self.max_delay:g} s here",
                "forget_after",
                "max_delay",
            )
        return self


class Log(Table):
    """What the server logs, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="What is worth a line: `debug`, `info`, `warning` or `error`, each with all that are graver.",
    )
    format: Literal["text", "json"] = Field(
        default="text",
        description="How a line looks: `text` for people, `json`, one object per line, for log collectors.",
    )


class Settings(BaseSettings):
    """Everything an operator can set. Made directly, it knows only its arguments; `load` reads the rest.

    Raises pydantic's ValidationError, which `load` turns into a ConfigError.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__")

    data_dir: FilePath = Field(
        default_factory=lambda: user_state_path("nymead-users"),
        description="The directory of what the server keeps: its database, its own certificate and the"
        " like. It is made where it is missing. The default is the user's state directory,"
        " `~/.local/state/nymead-users` on Linux. In every path here `~` is the home directory, and a"
        " relative path starts from the working directory.",
    )
    # Before `listeners`, whose rule looks at it.
    insecure: StrictBool = Field(
        default=False,
        description="Whether listeners reachable from other machines may do without TLS or without"
        " authentication. Then whoever can listen in on the network can read passwords and"
        " tokens: for tests, and for networks that are protected otherwise.",
    )
    listeners: Listeners = Field(
        default=(Listener(url="nymea://127.0.0.1:2222"), Listener(url="ws://127.0.0.1:4444")),
        description="Where to listen: URLs, or tables of a `url` and `authentication`. A listener that"
        " other machines can reach must use TLS (`nymeas://`, `wss://`) and authentication,"
        " unless `insecure` is set.",
    )
    tls_cert: FilePath | None = Field(
        default=None,
        description="The file of the TLS certificate and its chain, in PEM form. Without, TLS listeners"
        " use a self-signed certificate that the server makes for itself.",
    )
    tls_key: FilePath | None = Field(
        default=None,
        description="The file of the private key to `tls_cert`, in PEM form, without a passphrase. Both"
        " are given, or neither.",
    )
    push_button: StrictBool = Field(
        default=False,
        description="Whether clients may ask for a token by push button: whoever can run `nymead-users"
        " press-button` on the machine grants it, with all permissions. nymea's app then hides"
        " its login form and its management of users.",
    )
    self_service: StrictBool = Field(
        default=False,
        description="Whether users without administrator's permissions may change their own password and"
        " info, and see and remove their own tokens.",
    )
    initial_setup: Literal["anyone", "local", "off"] = Field(
        default="anyone",
        description="Who may create the first user over the network, while there is none: `anyone` who"
        " can connect, only `local` clients on the machine itself, or with `off` nobody; the"
        " command line always can.",
    )
    allowed_origins: Origins = Field(
        default=(),
        description="Web origins, beside the server's own, whose pages may connect by WebSocket, each"
        " exactly as the browser sends it: `https://home.example.org`,"
        " `http://localhost:8080`. There are no wildcards.",
    )
    allowed_hosts: HostNames = Field(
        default=(),
        description="Host names, without port, under which browsers may address the server, for the"
        " console's pages and for WebSocket, such as the public name of a reverse proxy. IP addresses,"
        " localhost and the machine's own name always work.",
    )
    server_name: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_server_name)] = Field(
        default="nymea",
        description="The name by which Hello introduces the server, 1 to 255 characters; clients show it.",
    )
    locale: Annotated[str, AfterValidator(_locale)] = Field(
        default="en_US",
        description="The language, with or without a country, of a client that asks for none: `en`, `en_US`.",
    )
    metrics: Annotated[str, AfterValidator(_metrics)] | None = Field(
        default=None,
        description="Where `/metrics` is answered for Prometheus, as `host:port`, such as `127.0.0.1:9464`. Whoever"
        " can connect there may read it, so an address that other machines can reach needs `insecure`. Without,"
        " nothing is measured.",
    )
    limits: Limits = Field(default=Limits(), description="How much one client, or all of them, may take.")
    argon2: Argon2 = Field(default_factory=Argon2, description="What hashing a password costs.")
    access: Access = Field(default=Access(), description="Locks, and who may open them.")
    throttling: Throttling = Field(default=Throttling(), description="How failed logins slow down the next ones.")
    log: Log = Field(default=Log(), description="What the server logs, and how.")

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise _together("give both or neither", "tls_cert", "tls_key")
        return self

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only: `load` reads the other sources, since it tells where each value is from."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, and for each dotted key where its value is from.

    An origin is `default`, `file PATH`, `environment NYMEAD_USERS_…` or `option --…`.
    """

    settings: Settings
    origins: Mapping[str, str]


def sections() -> dict[str, type[Table]]:
    """Return the tables of the settings by name, in the order of their declaration."""
    return {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table)
    }


def fields() -> dict[str, FieldInfo]:
    """Return the declaration of every setting by its dotted key, in the order of their declaration."""
    tables = sections()
    found: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        if name in tables:
            found |= {f"{name}.{inner}": declared for inner, declared in tables[name].model_fields.items()}
        else:
            found[name] = field
    return found


def variable(key: str) -> str:
    """Return the environment variable of a setting."""
    return ENV_PREFIX + key.replace(".", "__").upper()


def option(key: str) -> str:
    """Return the command line option of a setting."""
    return "--listen" if key == "listeners" else "--" + key.replace(".", "-").replace("_", "-")


def flatten(settings: Settings) -> dict[str, Any]:
    """Return every setting by its dotted key, as JSON would hold it."""
    return dict(_flat(settings.model_dump(mode="json")))


def load(
    config_file: Path | None = None,
    options: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Configuration:
    """Read the settings; an option wins over the environment, that over the file, that over the default.

    `options` has dotted keys; None stands for an option that was not given. Without `config_file`, the
    variable NYMEAD_USERS_CONFIG may name the file. `environ` defaults to the process's own. A list is taken
    whole from one source. Raises ConfigError with every problem found; whether a certificate's files exist
    is not looked at.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    origins = dict.fromkeys(fields(), "default")
    values: dict[str, Any] = {}
    layers = [_from_environment(environ, problems), _from_options(options or {})]
    if config_file is not None:
        layers.insert(0, _from_file(config_file, option("config")))
    elif CONFIG_VARIABLE in environ:
        layers.insert(0, _from_file(Path(environ[CONFIG_VARIABLE]), CONFIG_VARIABLE))
    for layer in layers:
        for key, origin, value in layer:
            if key in origins:
                origins[key] = origin
                values[key] = value
            elif key in sections():
                problems.append(f"{key} ({origin}): must be a table of settings, [{key}]")
            else:
                problems.append(f"{key} ({origin}): unknown setting{_nearest(key, _known_keys())}")
    try:
        settings = Settings(**_nested(values))
    except ValidationError as refusal:
        problems += [_problem(error, origins) for error in refusal.errors(include_url=False)]
    if problems:
        raise ConfigError("\n".join(problems))
    return Configuration(settings, origins)


# The layers: what one source gives, as (dotted key, origin, value). Keys are not checked here.


def _from_file(path: Path, named_by: str) -> list[tuple[str, str, Any]]:
    origin = f"file {path}"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{origin} ({named_by}): {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{origin}: is not UTF-8 text, at byte {error.start + 1}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{origin}: is not valid TOML: {error}") from error
    return [(key, origin, value) for key, value in _flat(values)]


class _Environment(EnvSettingsSource):
    """The settings' variables in a given environment; lists are JSON, or items between commas."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(Settings)
        self.env_vars = {name.lower(): text for name, text in given.items()}

    @override
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        if value.lstrip().startswith(("[", "{")):
            try:
                return json.loads(value)
            except (ValueError, RecursionError):
                return value  # text where a list is wanted, which the check refuses
        return [item.strip() for item in value.split(",")]


def _from_environment(environ: Mapping[str, str], problems: list[str]) -> list[tuple[str, str, Any]]:
    known = {variable(key): key for key in fields()}
    given: dict[str, str] = {}
    for name, text in environ.items():
        if not name.upper().startswith(ENV_PREFIX) or name == CONFIG_VARIABLE:
            continue
        if name not in known:
            nearest = _nearest(name.upper(), [*known, CONFIG_VARIABLE])
            problems.append(f"{name} (environment): unknown variable{nearest}")
        elif not text:
            problems.append(
                f"{known[name]} (environment {name}): is empty; unset it or give it a value,"
                " such as [] for an empty list"
            )
        else:
            given[name] = text
    declared = fields()
    return [
        (key, f"environment {variable(key)}", _from_text(declared[key], value))
        for key, value in _flat(_Environment(given)())
    ]


def _from_text(field: FieldInfo, value: Any) -> Any:
    """Read a number or truth value; text that is none stays as it is, for the check to refuse."""
    if field.annotation not in (bool, int, float):
        return value
    try:
        return TypeAdapter(field.annotation).validate_python(value)
    except ValidationError:
        return value


def _from_options(options: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    return [(key, f"option {option(key)}", value) for key, value in options.items() if value is not None]


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give each setting's dotted key and value; a table that is none is given whole."""
    for name, value in values.items():
        if name in sections() and isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", inner_value) for inner, inner_value in value.items())
        else:
            yield name, value


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `_flat`."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        (nested.setdefault(table, {}) if table else nested)[name] = value
    return nested


# The words for what is refused.

_REASONS = {
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "string_unicode": "must be Unicode text",
    "path_type": "must be a path",
    "tuple_type": 'must be a list, like ["…", "…"]',
    "model_type": "must be a URL or a table with a url",  # only listeners are such tables
    "finite_number": "must be a finite number",
    "missing": "is missing",
}


def _problem(error: ErrorDetails, origins: Mapping[str, str]) -> str:
    """Put pydantic's finding into one line: the keys, where their values are from, and the reason."""
    key = ""
    for part in error["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    keys = [f"{key}.{name}" if key else name for name in error.get("ctx", {}).get("keys", ())] or [key]
    named = " and ".join(f"{name} ({origins[name.partition('[')[0]]})" for name in keys)
    kind, message = error["type"], error["msg"]
    if kind == "extra_forbidden":
        reason = f"unknown setting{_nearest(re.sub(r'[0-9]+', '', key), _known_keys())}"
    elif kind in ("value_error", "together", "missing"):
        reason = _REASONS.get(kind, message.removeprefix("Value error, "))
    else:
        reason = _REASONS.get(kind) or re.sub("^(Input|String) should ", "must ", message)
        reason += f", not {reprlib.repr(error['input'])}"
    return f"{named}: {reason}"


def _known_keys() -> list[str]:
    return [*fields(), *sections(), *(f"listeners[].{name}" for name in Listener.model_fields)]


def _nearest(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""
