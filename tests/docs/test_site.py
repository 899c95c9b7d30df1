"""The built site: whole, in both languages, and asking nothing of other hosts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pages import ROOT

CONFIGS = {"en": "mkdocs.yml", "fr": "mkdocs.fr.yml"}


@dataclass
class Html(HTMLParser):
    """What a page links to, what it loads, and what can be linked to in it."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if "href" in given and (tag == "a" or given.get("rel") in ("alternate", "next", "prev", "canonical")):
            self.links.append(given["href"])
        else:
            self.loads += [given[key] for key in ("src", "href", "srcset", "data", "poster") if given.get(key)]
        assert tag not in ("iframe", "object", "embed")
        assert tag != "img" or given.get("alt"), "a picture without words for those who can't see it"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both sites, built side by side without a warning."""
    out = tmp_path_factory.mktemp("site")
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    builds = [
        subprocess.Popen(
            [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", ROOT / config, "-d", out / language],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for language, config in CONFIGS.items()
    ]
    for build in builds:
        output, _ = build.communicate(timeout=100)
        assert build.returncode == 0, output
        assert "WARNING" not in output
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Html]:
    """Every page of both sites."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":  # its links start at whatever root it is served from
            html = Html()
            html.feed(path.read_text())
            found[path] = html
    return found


def _target(page: Path, link: str) -> tuple[Path, str]:
    parts = urlsplit(link)
    path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    return (path / "index.html" if path.is_dir() else path), unquote(parts.fragment)


def test_links_and_anchors_lead_somewhere(pages: dict[Path, Html]) -> None:
    """Every link within the site, the switch of languages included, leads to a page and an anchor in it."""
    broken = []
    for page, html in pages.items():
        for link in html.links:
            if urlsplit(link).scheme:
                continue
            path, anchor = _target(page, link)
            if path not in pages or (anchor and anchor not in pages[path].ids):
                broken.append(f"{page}: {link}")
    assert broken == []


def test_ids_are_unique(pages: dict[Path, Html]) -> None:
    """An anchor leads to one place."""
    for page, html in pages.items():
        assert len(html.ids) == len(set(html.ids)), page


def test_nothing_is_loaded_from_other_hosts(site: Path, pages: dict[Path, Html]) -> None:
    """Styles, scripts, images and fonts come from the site itself, and are there."""
    for page, html in pages.items():
        for address in html.loads:
            assert not urlsplit(address).netloc, (page, address)
            if not address.startswith(("#", "data:")):
                assert _target(page, address)[0].exists(), (page, address)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text()), sheet


def test_both_languages_have_the_same_pages_and_anchors(site: Path, pages: dict[Path, Html]) -> None:
    """A page has the same path and the same anchors in both languages, and the switch stays on it."""
    paths = {
        language: {path.relative_to(site / language) for path in pages if path.is_relative_to(site / language)}
        for language in CONFIGS
    }
    assert paths["en"] == paths["fr"]
    for path in paths["en"]:
        english, french = pages[site / "en" / path], pages[site / "fr" / path]
        assert english.ids == french.ids, path
        for html, page, other in ((english, site / "en" / path, "fr"), (french, site / "fr" / path, "en")):
            assert site / other / path in {_target(page, link)[0] for link in html.links}, path


def test_the_french_reference_is_french(site: Path) -> None:
    """The fixed words of the French reference are French, and its badges are the same."""
    english, french = ((site / language / "api/users/index.html").read_text() for language in CONFIGS)
    for word in ("Aucun paramètre.", "Retour", "optionnel", "Champ"):
        assert word in french
        assert word not in english
    for badge in ("perm-none", "perm-admin"):
        assert french.count(badge) == english.count(badge) > 0


def test_french_readers_are_told_what_is_in_english(site: Path) -> None:
    """A page of the French site that is not in French says so; the others and the English site have no such line."""
    notice = "Cette page n'existe qu'en anglais."
    assert {
        path.relative_to(site).as_posix()
        for path in (site / "fr").rglob("index.html")
        if notice not in path.read_text()
    } == {"fr/index.html", *(path.relative_to(site).as_posix() for path in (site / "fr/api").rglob("index.html"))}
    assert not [path for path in (site / "en").rglob("index.html") if notice in path.read_text()]
