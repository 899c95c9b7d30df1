"""Write the API reference as Markdown, from the files in schema/ and nothing else.

python scripts/gen_api_reference.py                              docs/api/, in English
python scripts/gen_api_reference.py --lang fr --out docs/fr/api  with the fixed words in French
python scripts/gen_api_reference.py --check                      write nothing; say what differs
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generated import ROOT, settle

SCHEMA = ROOT / "schema"

#: The dialects' keys in examples.json and their names for readers.
DIALECTS = {"nymea": "nymea", "jsonrpc2": "JSON-RPC 2.0"}

#: The badge of a method that needs no scope, by its access, and that of a scope: its word and its CSS class.
BADGES = {
    "public": ("PUBLIC", "perm-none"),
    "setup": ("SET-UP", "perm-none"),
    "token": ("SIGNED IN", "perm-none"),
    "PermissionScopeControlThings": ("CONTROL", "perm-control"),
    "PermissionScopeAccessAllThings": ("CONTROL", "perm-control"),
    "PermissionScopeExecuteRules": ("CONTROL", "perm-control"),
    "PermissionScopeConfigureThings": ("CONFIGURE", "perm-configure"),
    "PermissionScopeConfigureRules": ("CONFIGURE", "perm-configure"),
    "PermissionScopeAdmin": ("ADMIN", "perm-admin"),
}

#: The fixed words. Descriptions come from the contract and stay as they are.
WORDS = {
    "en": {
        "title": "API reference",
        "about": "All methods, notifications and types, written from the contract that the server itself answers:"
        " `JSONRPC.Introspect` in nymea's notation, `rpc.discover` as an OpenRPC document. The examples were"
        " recorded from a running server; uuids, times and tokens were replaced.",
        "badges": "The badge of a method says what the caller must be allowed to do.",
        "PUBLIC": "Nothing: anybody who can connect may call it",
        "SET-UP": "Nothing, while there is no user",
        "SIGNED IN": "Nothing but to be signed in",
        "CONTROL": "To control things or to execute rules",
        "CONFIGURE": "To configure things or rules",
        "ADMIN": "Everything: an administrator",
        "namespace": "Namespace",
        "method": "Method",
        "methods": "Methods",
        "scope": "Who may call it",
        "summary": "What it does",
        "notification": "Notification",
        "notifications": "Notifications",
        "notifications_about": "What the server tells without being asked, in every namespace. A connection gets those"
        " of the namespaces that it named in `JSONRPC.SetNotificationStatus`.",
        "tells": "What it tells",
        "params": "Params",
        "no_params": "No parameters.",
        "returns": "Returns",
        "field": "Field",
        "type": "Type",
        "notes": "Notes",
        "meaning": "Meaning",
        "optional": "optional",
        "read-only": "read-only",
        "deprecated": "deprecated",
        "nullable": "or null",
        "date-time": "ISO 8601",
        "errors": "Errors",
        "refusals": "The call may be refused. What every call may meet stands under [Errors](errors.md).",
        "error": "Error",
        "code": "Code",
        "cause": "Cause",
        "outcomes": "Otherwise it returns, and `error` is `{success}` or one of these:",
        "value": "Value",
        "example": "Example",
        "request": "Request",
        "reply": "Reply",
        "shortened": "The reply is shortened to one entry of each kind.",
        "token": "Every user who is signed in",
        "public": "Anybody",
        "setup": "Anybody, while there is no user",
        "with": "With",
        "types": "Types",
        "types_about": "The names that params and returns refer to. A type with `[]` behind it is a list.",
        "basic": "Basic types",
        "objects": "Objects and lists",
        "enums": "Enums",
        "flags": "Flags",
        "list_of": "A list of",
        "same_as": "The same as",
        "flags_of": "A set of flags, sent as the list of their names:",
        "used_by": "Used by",
        "errors_about": "A call can fail in two ways. It is *refused*: then the reply is an error, with a code in"
        " JSON-RPC 2.0 and a text in nymea's dialect. Or it runs and says itself that nothing came of it: then the"
        " reply is a success, and its `error` is a value that does not end with `NoError`.",
        "refused": "Refused calls",
        "closes": "closes the connection",
        "status": "nymea's status",
        "text": "Text",
        "after": "Afterwards",
        "outcome_of": "Outcomes",
        "outcome_about": "The values of `error` in what a method returns, and the methods that can answer them.",
        "notation": "Written in the notation of `JSONRPC.Introspect`",
        "String": "Text.",
        "Bool": "`true` or `false`.",
        "Int": "A whole number.",
        "Uint": "A whole number, never negative.",
        "Double": "A number.",
        "Uuid": "A uuid as text. Taken with and without braces, sent without.",
        "Variant": "Any JSON value.",
        "Object": "A JSON object.",
        "basic_meaning": "In JSON",
        "overview": "Overview",
        "differences": "Differences from nymead",
    },
    "fr": {
        "title": "Référence de l'API",
        "about": "Toutes les méthodes, notifications et types, écrits à partir du contrat que le serveur répond"
        " lui-même : `JSONRPC.Introspect` dans la notation de nymea, `rpc.discover` en document OpenRPC. Les exemples"
        " ont été enregistrés sur un serveur réel ; uuids, dates et jetons ont été remplacés. Les descriptions sont"
        " en anglais, comme dans le contrat.",
        "badges": "Le badge d'une méthode dit ce que l'appelant doit avoir le droit de faire.",
        "PUBLIC": "Rien : quiconque peut se connecter au serveur peut l'appeler",
        "SET-UP": "Rien, tant qu'il n'y a aucun utilisateur",
        "SIGNED IN": "Rien, sinon être un utilisateur connecté",
        "CONTROL": "Commander des objets ou exécuter des règles",
        "CONFIGURE": "Configurer des objets ou des règles",
        "ADMIN": "Tout : un administrateur",
        "namespace": "Espace de noms",
        "method": "Méthode",
        "methods": "Méthodes",
        "scope": "Qui peut l'appeler",
        "summary": "Ce qu'elle fait",
        "notification": "Notification",
        "notifications": "Notifications",
        "notifications_about": "Ce que le serveur annonce sans qu'on le demande, par espace de noms. Une connexion"
        " reçoit celles des espaces de noms qu'elle a donnés à `JSONRPC.SetNotificationStatus`.",
        "tells": "Ce qu'elle annonce",
        "params": "Paramètres",
        "no_params": "Aucun paramètre.",
        "returns": "Retour",
        "field": "Champ",
        "type": "Type",
        "notes": "Notes",
        "meaning": "Signification",
        "optional": "optionnel",
        "read-only": "lecture seule",
        "deprecated": "obsolète",
        "nullable": "ou null",
        "date-time": "ISO 8601",
        "errors": "Erreurs",
        "refusals": "L'appel peut être refusé. Ce que tout appel peut rencontrer figure sous [Erreurs](errors.md).",
        "error": "Erreur",
        "code": "Code",
        "cause": "Cause",
        "outcomes": "Sinon la méthode répond, et `error` vaut `{success}` ou l'une de ces valeurs :",
        "value": "Valeur",
        "example": "Exemple",
        "request": "Requête",
        "reply": "Réponse",
        "shortened": "La réponse est réduite à une entrée de chaque sorte.",
        "token": "Tout utilisateur connecté",
        "public": "Tout le monde",
        "setup": "Tout le monde, tant qu'il n'y a aucun utilisateur",
        "with": "Avec",
        "types": "Types",
        "types_about": "Les noms auxquels renvoient paramètres et retours. Un type suivi de `[]` est une liste.",
        "basic": "Types de base",
        "objects": "Objets et listes",
        "enums": "Énumérations",
        "flags": "Drapeaux",
        "list_of": "Une liste de",
        "same_as": "La même chose que",
        "flags_of": "Un ensemble de drapeaux, envoyé comme liste de leurs noms :",
        "used_by": "Utilisé par",
        "errors_about": "Un appel peut échouer de deux façons. Il est *refusé* : la réponse est alors une erreur, avec"
        " un code en JSON-RPC 2.0 et un texte dans le dialecte de nymea. Ou bien il s'exécute et dit lui-même qu'il n'a"
        " rien donné : la réponse est alors un succès, et son `error` a une valeur qui ne finit pas par `NoError`.",
        "refused": "Appels refusés",
        "closes": "ferme la connexion",
        "status": "Statut nymea",
        "text": "Texte",
        "after": "Ensuite",
        "outcome_of": "Résultats",
        "outcome_about": "Les valeurs de `error` dans le retour d'une méthode, et les méthodes qui peuvent les donner.",
        "notation": "Dans la notation de `JSONRPC.Introspect`",
        "String": "Du texte.",
        "Bool": "`true` ou `false`.",
        "Int": "Un nombre entier.",
        "Uint": "Un nombre entier, jamais négatif.",
        "Double": "Un nombre.",
        "Uuid": "Un uuid en texte. Accepté avec ou sans accolades, envoyé sans.",
        "Variant": "Une valeur JSON quelconque.",
        "Object": "Un objet JSON.",
        "basic_meaning": "En JSON",
        "overview": "Vue d'ensemble",
        "differences": "Différences avec nymead",
    },
}

BASIC = ("String", "Bool", "Int", "Uint", "Double", "Uuid", "Variant", "Object")


def main() -> int:
    """Do what the command line says; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 and say what differs")
    parser.add_argument("--lang", choices=sorted(WORDS), default="en", help="the language of the fixed words")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "api", metavar="DIR", help="where to write")
    options = parser.parse_args()
    out: Path = options.out.resolve()
    contract = {name: json.loads((SCHEMA / f"{name}.json").read_text(encoding="utf-8")) for name in _FILES}
    reference = Reference(**contract, words=WORDS[options.lang])
    files = {out / name: text for name, text in reference.pages().items()}
    return settle(
        files,
        check=options.check,
        command=f"python scripts/gen_api_reference.py --lang {options.lang} --out {options.out}",
        obsolete=out.rglob("*.md"),
    )


_FILES = ("introspection", "openrpc", "examples")


class Reference:
    """The reference as pages of Markdown, from the contract in nymea's notation, OpenRPC and examples."""

    def __init__(
        self,
        introspection: Mapping[str, Any],
        openrpc: Mapping[str, Any],
        examples: Mapping[str, Any],
        words: Mapping[str, str],
    ) -> None:
        self._contract = introspection
        self._openrpc = {item["name"]: item for item in (*openrpc["methods"], *openrpc["x-notifications"])}
        self._schemas: Mapping[str, Any] = openrpc["components"]["schemas"]
        self._errors: Mapping[str, Any] = {item["name"]: item for item in openrpc["x-errors"]}
        self._examples = examples
        self._words = words
        self._named = {*introspection["types"], *introspection["enums"], *introspection["flags"]}

    def pages(self) -> dict[str, str]:
        """Every page by its file name."""
        namespaces = sorted({name.partition(".")[0] for kind in _KINDS for name in self._contract[kind]})
        pages = {
            "index.md": self._index(namespaces),
            **{_page(namespace): self._namespace(namespace) for namespace in namespaces},
            "notifications.md": self._notifications(),
            "types.md": self._types(),
            "errors.md": self._errors_page(),
        }
        titles = [
            (self._words["overview"], "index.md"),
            *((namespace, _page(namespace)) for namespace in namespaces),
            *((self._words[name], f"{name}.md") for name in ("notifications", "types", "errors")),
            (self._words["differences"], "../differences.md"),  # written by hand, and wanted in this place
        ]
        pages["SUMMARY.md"] = _text(f"- [{title}]({page})" for title, page in titles)
        return pages

    # Pages

    def _index(self, namespaces: Sequence[str]) -> str:
        word = self._words
        badges = dict.fromkeys(BADGES.values())
        return _text(
            [
                f"# {word['title']} {{ #reference }}",
                "",
                word["about"],
                "",
                word["badges"],
                "",
                *_table(("", ""), [(_badge(text, css), word[text]) for text, css in badges if text], headless=True),
                *(
                    line
                    for namespace in namespaces
                    for line in (f"## {namespace} {{ #{namespace} }}", "", *self._summary(namespace, _page(namespace)))
                ),
            ]
        )

    def _namespace(self, namespace: str) -> str:
        word = self._words
        notifications = _of(namespace, self._contract["notifications"])
        lines = [f"# {namespace}", "", *self._summary(namespace, "")]
        for name in _of(namespace, self._contract["methods"]):
            lines += self._method(name)
        if notifications:
            lines += [f"## {word['notifications']} {{ #notifications }}", ""]
            lines += _table(
                (word["notification"], word["tells"]),
                [(_link(name, f"#{name}"), _first_sentence(self._describe(name))) for name in notifications],
            )
        for name in notifications:
            lines += self._notification(name)
        return _text(lines)

    def _notifications(self) -> str:
        word = self._words
        lines = [f"# {word['notifications']} {{ #notifications }}", "", word["notifications_about"], ""]
        rows = []
        for name, declared in self._contract["notifications"].items():
            params = ", ".join(f"`{_Key(key).name}` {self._type(kind)}" for key, kind in declared["params"].items())
            rows.append((_link(name, f"{_page(name.partition('.')[0])}#{name}"), self._describe(name), params))
        return _text([*lines, *_table((word["notification"], word["tells"], word["params"]), rows)])

    def _types(self) -> str:
        word, contract = self._words, self._contract
        lines = [f"# {word['types']} {{ #types }}", "", word["types_about"], "", f"## {word['basic']} {{ #basic }}", ""]
        lines += _table(
            (word["type"], word["basic_meaning"]),
            [(f'<span id="{name}">`{name}`</span>', word[name]) for name in BASIC],
        )
        for kind, title in (("types", "objects"), ("enums", "enums"), ("flags", "flags")):
            if contract[kind]:
                lines += [f"## {word[title]} {{ #{title} }}", ""]
            for name, declared in contract[kind].items():
                lines += [f"### {name} {{ #{name} }}", ""]
                if text := self._schemas.get(name, {}).get("description"):
                    lines += [text, ""]
                lines += self._definition(kind, name, declared)
                users = [
                    _link(user, f"{_page(user.partition('.')[0])}#{user}" if "." in user else f"#{user}")
                    for user in self._users_of(name)
                ]
                lines += [f"{word['used_by']}: {', '.join(users)}", ""]
        return _text(lines)

    def _errors_page(self) -> str:
        word = self._words
        lines = [
            f"# {word['errors']} {{ #errors }}",
            "",
            word["errors_about"],
            "",
            f"## {word['refused']} {{ #refused }}",
            "",
        ]
        for name, error in self._errors.items():
            lines += [f"### {name} {{ #{name} }}", "", error["description"], ""]
            code = str(error["code"]) if self._examples["errors"].get(name, _BOTH).get("jsonrpc2") else "-"
            lines += _table(
                (word["code"], word["text"], word["status"], word["after"]),
                [(code, f"`{error['message']}`", f"`{error['status']}`", word["closes"] if error["closes"] else "")],
            )
            if name in self._examples["errors"]:
                lines += self._exchange(self._examples["errors"][name])
        lines += [f"## {word['outcome_of']} {{ #outcomes }}", "", word["outcome_about"], ""]
        causes: dict[str, dict[str, list[str]]] = {}
        for name in self._contract["methods"]:
            for outcome in self._openrpc[name]["x-outcomes"]:
                by_text = causes.setdefault(outcome["value"], {})
                by_text.setdefault(outcome["description"], []).append(name)
        for enum, values in self._contract["enums"].items():
            if not causes.keys() & set(values):
                continue
            rows = [
                (
                    f"`{value}`",
                    text,
                    ", ".join(_link(name, f"{_page(name.partition('.')[0])}#{name}") for name in names),
                )
                for value in values
                for text, names in causes.get(value, {}).items()
            ]
            lines += [f"[{enum}](types.md#{enum})", ""]
            lines += _table((word["value"], word["cause"], word["methods"]), rows)
        return _text(lines)

    # Parts of pages

    def _summary(self, namespace: str, page: str) -> list[str]:
        word = self._words
        return _table(
            (word["method"], word["scope"], word["summary"]),
            [
                (
                    _link(name, f"{page}#{name}"),
                    self._badge(name),
                    _first_sentence(declared["description"]),
                )
                for name, declared in _of(namespace, self._contract["methods"]).items()
            ],
        )

    def _badge(self, name: str) -> str:
        scope = self._contract["methods"][name]["permissionScope"]
        return _badge(*BADGES[self._openrpc[name]["x-access"] if scope == "PermissionScopeNone" else scope])

    def _method(self, name: str) -> list[str]:
        word, declared, details = self._words, self._contract["methods"][name], self._openrpc[name]
        scope = declared["permissionScope"]
        who = f"{word['with']} [{scope}](types.md#PermissionScope)"
        if scope == "PermissionScopeNone":
            who = word[details["x-access"]]
        lines = [
            *_heading(name),
            f"{self._badge(name)} {who}",
            "",
            declared["description"],
            "",
            f"**{word['params']}**",
            "",
            *self._params(declared["params"], {item["name"]: item for item in details["params"]}),
            f"**{word['returns']}**",
            "",
            *self._fields(declared["returns"], details["result"]["schema"]["properties"]),
            f"**{word['errors']}**",
            "",
            word["refusals"],
            "",
        ]
        refusals = [self._errors[item["$ref"].rpartition("/")[2]] for item in details["errors"]]
        lines += _table(
            (word["error"], word["code"], word["cause"]),
            [(f"[{item['name']}](errors.md#{item['name']})", item["code"], item["description"]) for item in refusals],
        )
        if details["x-outcomes"]:
            success = self._contract["enums"][_name_of(declared["returns"]["error"])][0]
            lines += [word["outcomes"].format(success=success), ""]
            lines += _table(
                (word["value"], word["cause"]),
                [(f"`{item['value']}`", item["description"]) for item in details["x-outcomes"]],
            )
        lines += [f"**{word['example']}**", ""]
        if any("description" in pairing for pairing in details["examples"]):
            lines += [word["shortened"], ""]
        return [*lines, *self._exchange(self._examples["methods"][name])]

    def _notification(self, name: str) -> list[str]:
        word, declared = self._words, self._contract["notifications"][name]
        lines = [
            *_heading(name),
            declared["description"],
            "",
            f"**{word['params']}**",
            "",
            *self._params(declared["params"], {item["name"]: item for item in self._openrpc[name]["params"]}),
            f"**{word['example']}**",
            "",
        ]
        messages = self._examples["notifications"][name]
        for dialect, title in DIALECTS.items():
            lines += [f'=== "{title}"', "", *_indented(_json_block(messages[dialect])), ""]
        return lines

    def _exchange(self, dialects: Mapping[str, Any]) -> list[str]:
        """A request and its reply, in a tab for each dialect."""
        lines = []
        for dialect, title in DIALECTS.items():
            if dialect in dialects:
                request, reply = dialects[dialect]["request"], dialects[dialect]["reply"]
                block = [*_json_block(request, self._words["request"]), "", *_json_block(reply, self._words["reply"])]
                lines += [f'=== "{title}"', "", *_indented(block), ""]
        return lines

    def _params(self, declared: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
        return self._fields(declared, details) if declared else [self._words["no_params"], ""]

    def _fields(self, declared: Mapping[str, Any], details: Mapping[str, Any]) -> list[str]:
        """A table of members in their declared order, which is that of positional params."""
        word = self._words
        rows = []
        for key, kind in declared.items():
            member = _Key(key)
            detail = details.get(member.name, {})
            meaning = detail.get("description") or self._schemas.get(_name_of(kind), {}).get("description", "")
            notes = ", ".join(word[note] for note in (*member.notes, *_more_notes(detail.get("schema", detail))))
            rows.append((f"`{member.name}`", self._type(kind), notes, meaning))
        return _table((word["field"], word["type"], word["notes"], word["meaning"]), rows)

    def _definition(self, kind: str, name: str, declared: Any) -> list[str]:
        word = self._words
        if kind == "enums":
            return [*(f"- `{value}`" for value in declared), ""]
        if isinstance(declared, dict):
            return self._fields(declared, self._schemas.get(name, {}).get("properties", {}))
        if isinstance(declared, str):
            return [f"{word['same_as']} {self._type(declared)}", ""]
        intro = word["flags_of"] if kind == "flags" else word["list_of"]
        return [f"{intro} {self._type(declared[0])}", ""]

    def _type(self, kind: Any) -> str:
        """A type in nymea's notation as Markdown, linked to its definition."""
        if isinstance(kind, list):
            return f"{self._type(kind[0])}[]"
        name = _name_of(kind)
        if name not in self._named and name not in BASIC:
            raise ValueError(f"the contract refers to {kind}, which it does not define")
        return f"[{name}](types.md#{name})"

    def _describe(self, name: str) -> str:
        return str(self._contract["notifications"][name]["description"])

    def _users_of(self, name: str) -> Iterator[str]:
        """The methods, notifications and types that refer to a type."""
        for kind in (*_KINDS, "types", "flags"):
            for user, declared in self._contract[kind].items():
                if f"$ref:{name}" in _names_in(declared):
                    yield user


class _Key:
    """A member's key in nymea's notation: its name without the marks, and what the marks say."""

    _MARKS = (("o:", "optional"), ("r:", "read-only"), ("d:", "deprecated"))

    def __init__(self, key: str) -> None:
        marks = {mark for mark, _ in self._MARKS}
        while key[:2] in marks:
            marks.discard(key[:2])
            key = key[2:]
        self.name = key
        self.notes = [note for mark, note in self._MARKS if mark not in marks]


_KINDS = ("methods", "notifications")

#: An error without a recorded example can happen in both dialects.
_BOTH = {"jsonrpc2": True}


def _more_notes(schema: Mapping[str, Any]) -> list[str]:
    """What a member's schema says and nymea's notation does not: that it may be null, and that it is a time."""
    arms = schema.get("anyOf", [schema])
    nullable = ["nullable"] if {"type": "null"} in arms else []
    return [*nullable, *(["date-time"] if any(arm.get("format") == "date-time" for arm in arms) else [])]


def _names_in(declared: Any) -> set[str]:
    if isinstance(declared, dict):
        return set().union(*map(_names_in, declared.values()))
    if isinstance(declared, list):
        return set().union(*map(_names_in, declared))
    return {declared} if isinstance(declared, str) else set()


def _name_of(kind: Any) -> str:
    return kind.removeprefix("$ref:") if isinstance(kind, str) else ""


def _of(namespace: str, declared: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in declared.items() if name.startswith(f"{namespace}.")}


def _page(namespace: str) -> str:
    return f"{namespace.lower()}.md"


def _heading(name: str) -> list[str]:
    return [f'## {name} {{ #{name} data-toc-label="{name.partition(".")[2]}" }}', ""]


def _badge(text: str, css: str) -> str:
    return f'<span class="perm {css}">{text}</span>'


def _link(name: str, target: str) -> str:
    return f"[`{name}`]({target})"


def _first_sentence(text: str) -> str:
    return text.partition(". ")[0].rstrip(".") + "."


def _json_block(value: Any, title: str | None = None) -> list[str]:
    """A block of JSON; of text where it is no JSON on purpose."""
    language = "text" if isinstance(value, str) else "json"
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return [f'```{language} title="{title}"' if title else f"```{language}", *text.splitlines(), "```"]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], *, headless: bool = False) -> list[str]:
    cells = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return [
        f"| {' | '.join('' if headless else cell for cell in head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in cells),
        "",
    ]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.exit(main())
