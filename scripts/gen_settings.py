"""Write the page of all settings from the settings class.

python scripts/gen_settings.py           docs/operate/settings.md
python scripts/gen_settings.py --check   write nothing; say what differs
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import orjson
import typer.main
from generated import ROOT, settle
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from nymead_users.cli.main import app
from nymead_users.config import Listener, fields, option, sections, variable

PAGE = ROOT / "docs" / "operate" / "settings.md"

INTRO = """\
# Settings

A setting can come from four places. An option of `nymead-users serve` wins over an environment variable,
that wins over the file, that wins over the default. A list is taken whole from one of them.

The file is [TOML](https://toml.io). Name it with `--config FILE` or in the variable `NYMEAD_USERS_CONFIG`.
In a variable a list is JSON, or its items with commas between them. What is wrong or unknown stops the
start and is named.

```console
$ nymead-users config show --config /etc/nymead-users.toml
```

shows every setting, its value and where it came from. The output is a valid file itself.

```toml
data_dir = "/var/lib/nymead-users"
listeners = ["nymeas://0.0.0.0:2222", "wss://0.0.0.0:4444"]
initial_setup = "local"

[limits]
connections_per_address = 64

[log]
format = "json"
```
"""


def main() -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 and say what differs")
    return settle({PAGE: page()}, check=parser.parse_args().check, command="python scripts/gen_settings.py")


def page() -> str:
    """The page."""
    options = _options()
    tables = sections()
    lines = [INTRO, "## Server { #server }", ""]
    table = ""
    for key, field in fields().items():
        name = key.rpartition(".")[0]
        if name != table:
            table = name
            lines += [f"## {name.capitalize()} {{ #{name} }}", "", f"The table `[{name}]`. {tables[name].__doc__}", ""]
        lines += _setting(key, field, options)
        if key == "listeners":
            lines += ["A listener's table has:", ""]
            for member, declared in Listener.model_fields.items():
                default = "" if declared.is_required() else f" The default is `{_value(declared.default)}`."
                lines.append(f"- `{member}`: {declared.description}{default}")
            lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def _setting(key: str, field: FieldInfo, options: set[str]) -> list[str]:
    name = key.rpartition(".")[2]
    lines = [f"### {name} {{ #{key} }}", "", str(field.description), "", "| | |", "|---|---|"]
    lines.append(f"| Default | {_default(field)} |")
    lines.append(f"| Variable | `{variable(key)}` |")
    if option(key) in options:
        lines.append(f"| Option | `{option(key)}` |")
    return [*lines, ""]


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "depends on the machine, see above"
    if field.default is None:
        return "not set"
    return f"`{_value(field.default)}`"


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_value(item.url if isinstance(item, Listener) else item) for item in value)}]"
    return orjson.dumps(value).decode()


def _options() -> set[str]:
    """The options of ``nymead-users serve``."""
    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    return {name for parameter in serve.params for name in parameter.opts}


if __name__ == "__main__":
    sys.exit(main())
