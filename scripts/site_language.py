"""What the site's languages need of MkDocs: pages in place of others, and a switch that stays on the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

LANGUAGE = "en"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Put what stands in the language's own folder in the place of the page of the same path."""
    language = _language(config)
    folder = Path(config.docs_dir) / language
    if language == LANGUAGE:
        return files
    for path in sorted(folder.rglob("*.md")):
        uri = path.relative_to(folder).as_posix()
        replaced = files.get_file_from_path(uri)
        page = File(uri, str(folder), config.site_dir, config.use_directory_urls)
        if replaced is not None:
            page.inclusion = replaced.inclusion
            files.remove(replaced)
        files.append(page)
    return files


def on_nav(nav: Navigation, *, config: MkDocsConfig, files: Files) -> Navigation:  # noqa: ARG001 - named by MkDocs
    """Give the sections their names in the language."""
    names: dict[str, str] = config.extra.get("sections", {})
    for item in nav.items:
        item.title = names.get(item.title or "", item.title)
    return nav


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - named by MkDocs
    """Say of a page that is not in the site's language that it is in English."""
    notice: str | None = config.extra.get("untranslated")
    if notice is None or Path(page.file.src_dir or "").name == _language(config):
        return html
    return f'<p class="untranslated">{notice}</p>\n<div lang="{LANGUAGE}">\n{html}</div>\n'


def on_page_context(
    context: dict[str, Any],
    *,
    page: Page,
    config: MkDocsConfig,
    nav: Navigation,  # noqa: ARG001 - named by MkDocs
) -> dict[str, Any]:
    """Link each page to itself in the other languages: the sites stand side by side with the same paths."""
    for alternate in config.extra["alternate"]:
        alternate["link"] = f"../{alternate['lang']}/{page.url}"
    return context


def _language(config: MkDocsConfig) -> str:
    return str(config.theme["language"])
