"""Hooks of the site: the leaderboard's pages and pictures stand in it, beside those of `docs/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

LEADERBOARD = Path(__file__).resolve().parents[1] / "leaderboards"
SHOWN = ("*.md", "*.png", "*.csv", "*.json", "tables/*", "boards/*.toml")


def on_files(files: Files, config: Any) -> Files:
    """Add what the pages of `docs/` show of the leaderboard; records stay out."""
    for path in sorted(p for pattern in SHOWN for p in LEADERBOARD.glob(pattern)):
        place = f"{LEADERBOARD.name}/{path.relative_to(LEADERBOARD).as_posix()}"
        files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links that lead out of `docs/`, as GitHub needs them, into the site.

    Pages of wide tables give the place of their contents to these.
    """
    if page.file.src_uri.startswith(("leaderboards/", "compare/", "results.md", "atlases.md")):
        page.meta["hide"] = ["toc"]
    return markdown.replace("](../leaderboards/", "](leaderboards/")
