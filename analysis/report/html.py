"""report.html: one file that needs nothing else, works offline and runs no script but its own.

Everything in it that a run brought along (names of orderings, sessions, nodes) is text: jinja2
escapes it, and the data block escapes `<`, so that no name can end it. A Content-Security-Policy
forbids every request and every script but the page's, which it names by its hash.
"""

import base64
import hashlib
import re
from importlib.resources import files

import msgspec
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from chunk7.analysis.report.page import Page
from chunk7.wire.visible import visible

_HERE = "chunk7.analysis.report"


def render_html(page: Page) -> str:
    """The whole document."""
    script = _read("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters["breakable"] = _breakable
    environment.filters["with_code"] = _with_code
    return environment.from_string(_read("report.html.jinja")).render(
        page=page,
        style=Markup(_read("report.css")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=f"sha256-{digest}",
        data=Markup(_json(page.losses.data)),  # noqa: S704 - escaped by _json
    )


def _breakable(text: str) -> Markup:
    """A name may be broken after its underscores and slashes."""
    return Markup(re.sub(r"([_/])(?=\w)", r"\1<wbr>", str(escape(visible(text)))))  # noqa: S704


def _with_code(text: str) -> Markup:
    """What stands between backticks is code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(visible(text)))))  # noqa: S704


def _json(document: object) -> str:
    """JSON that can stand in a script element: HTML knows no escapes in there."""
    text = msgspec.json.encode(document).decode()
    text = re.sub("[\u007f-\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(name: str) -> str:
    return files(_HERE).joinpath(name).read_text(encoding="utf-8")
