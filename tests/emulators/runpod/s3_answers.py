"""What the S3 endpoint answers with: errors, pages of the edge in front of it, XML, and times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from tests.emulators.runpod.wire import Response

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass
class S3Error(Exception):
    """A refusal in the endpoint's own words."""

    status: int
    code: str
    message: str = ""

    def __post_init__(self) -> None:
        super().__init__(f"{self.status} {self.code}: {self.message}")


def tag(name: str, *children: str) -> str:
    """Return an element around what is XML already."""
    return f"<{name}>{''.join(children)}</{name}>"


def text(name: str, value: object) -> str:
    """Return an element around plain text."""
    word = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(word)}</{name}>"


def document(name: str, *children: str, delay_s: float = 0.0) -> Response:
    """Return a 200 with XML; it has no namespace (fact sheet 5.2)."""
    body = (DECLARATION + tag(name, *children)).encode()
    return Response(200, {"content-type": "application/xml"}, body, delay_s)


def refusal(error: S3Error, resource: str) -> Response:
    """Return an error as the endpoint writes it."""
    fields = text("Code", error.code), text("Message", error.message), text("Resource", resource)
    body = (DECLARATION + tag("Error", *fields)).encode()
    return Response(error.status, {"content-type": "application/xml"}, body)


def edge(status: int, words: str) -> Response:
    """Return an answer of the proxy in front, which knows no XML (fact sheet 0)."""
    page = f"<html><head><title>{status}</title></head><body><h1>{escape(words)}</h1></body></html>"
    return Response(status, {"content-type": "text/html; charset=UTF-8", "server": "cloudflare"}, page.encode())


def lost(how: str) -> Response:
    """Return what a client sees of an answer that does not come: 5xx of the edge, ``timeout``/``hang``, ``reset``."""
    if how == "reset":
        return Response(503, lost="reset")
    if how in ("timeout", "hang"):
        return Response(503, lost="hang")
    return edge(int(how), {"524": "A timeout occurred", "502": "Bad gateway"}.get(how, "Service unavailable"))


def iso(seconds: float) -> str:
    """Return a time as it stands in XML."""
    return _utc(seconds).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(seconds * 1000) % 1000:03d}Z"


def http_date(seconds: float, zone: str = "GMT") -> str:
    """Return a time as it stands in headers; ``Last-Modified`` says UTC here (fact sheet 5.2)."""
    moment = _utc(seconds)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.weekday()]
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    return f"{day}, {moment:%d} {months[moment.month - 1]} {moment:%Y %H:%M:%S} {zone}"


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
