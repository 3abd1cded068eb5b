"""The files of the page, read once: HTML, style and modules, as they lie in `page/`."""

from collections.abc import Iterator
from pathlib import Path

from local.console.answers import Page

FOLDER = Path(__file__).with_name("page")
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def pages() -> Iterator[tuple[str, Page]]:
    """Yield each file with its path; the page itself is `/`."""
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in CONTENT_TYPES:
            name = path.relative_to(FOLDER).as_posix()
            page = Page(path.read_bytes(), CONTENT_TYPES[path.suffix])
            yield "/" if name == "index.html" else f"/{name}", page
