"""What a mail says, as a document for a frame that executes nothing, loads nothing and goes nowhere."""

import re
from collections.abc import Sequence
from http import HTTPStatus

from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from outbox.console.guard import MAIL_POLICY, POLICY
from outbox.core.shown import safe

# No policy keeps these from asking for an address, from calling a host, from going somewhere or from changing what all
# others mean: a frame that is refused has been connected to before.
REACHING_OUT = re.compile(r"<(/?)(?=(?:link|meta|base|i?frame)\b)", re.IGNORECASE)
PAGE = Markup(
    "<!doctype html><html lang='{code}'><head><meta charset='utf-8'>"
    "<title>{title}</title><style>body {{ font-family: sans-serif }} pre {{ white-space: pre-wrap; "
    "overflow-wrap: anywhere; font-family: inherit }}</style></head><body>{body}</body></html>"
)


def html(written: str) -> Response:
    """Answer with the HTML of a mail, whatever it is."""
    return _framed(REACHING_OUT.sub(r"<\1x-", written))


def text(written: str, subject: str, code: str) -> Response:
    """Answer with the text of a mail."""
    body = Markup("<h1>{subject}</h1><pre>{text}</pre>").format(subject=safe(subject), text=safe(written, lines=True))
    return _framed(PAGE.format(code=code, title=safe(subject), body=body))


def problems(told: Sequence[str], title: str, code: str) -> Response:
    """Answer with what keeps a mail from being one."""
    items = Markup("").join(Markup("<li>{said}</li>").format(said=safe(said)) for said in told)
    body = Markup("<p><strong>{title}</strong></p><ul>{items}</ul>").format(title=title, items=items)
    return _framed(PAGE.format(code=code, title=title, body=body))


def _framed(document: str) -> Response:
    # Text of a row may hold halves of letters that UTF-8 cannot.
    return HTMLResponse(document.encode(errors="replace"), HTTPStatus.OK, {POLICY: MAIL_POLICY})
