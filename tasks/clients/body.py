"""What the bytes of an answer are: a JSON object, an error in one of many shapes, a web page, or something else.

No server is trusted to send what its status says: a 200 may hold an error or a login page, in any encoding.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

_CODES = ("code", "type", "error_code", "errorCode", "errcode", "status_code")
_MESSAGES = (
    "message",
    "msg",
    "error_msg",
    "errorMsg",
    "errmsg",
    "err_msg",
    "status_msg",
    "error_description",
    "reason",
)
_SHOWN = 300  # characters of a body in an error
_CHARSET = re.compile(rb"(?i)charset\s*=\s*[\"']?([\w.:-]+)")
_PAGE = re.compile(r"(?is)\A\s*(?:<!--.*?-->\s*)*<(?:!doctype|html|head|body|\?xml|center|h1)\b")
_TITLE = re.compile(r"(?is)<(title|h1)[^>]*>(.*?)</\1>")
_TAGS = re.compile(r"(?is)<(script|style)\b.*?</\1>|<[^>]+>")


class Complaint(NamedTuple):
    """What a server says is wrong; `code` holds its codes and types, or nothing."""

    code: str
    message: str


class NoAnswer(ValueError):
    """A body that is no reply. `complaint` is what it says instead; `page` is True for a web page."""

    def __init__(self, complaint: Complaint, *, page: bool = False) -> None:
        self.complaint, self.page = complaint, page
        super().__init__(complaint.message)


def text_of(data: bytes, kind: str = "") -> str:
    """A body for people: in UTF-8, else in what its header or itself names, else GB 18030, else as far as it goes."""
    named = _CHARSET.search(kind.encode() + b" " + data[:1024])
    for encoding in ("utf-8-sig", named[1].decode() if named else "", "gb18030"):
        try:
            return data.decode(encoding)
        except (LookupError, UnicodeDecodeError):
            continue
    return data.decode("utf-8", "replace")


def answer(data: bytes, kind: str, *wanted: str) -> Mapping[str, Any]:
    """The JSON object of a body that has one of the fields `wanted`. NoAnswer for anything else.

    Text that is to be learnt is never guessed at: bytes that are not UTF-8 count only in the encoding that the header
    names.
    """
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        content = _declared(data, kind)
    if isinstance(content, Mapping) and any(content.get(name) for name in wanted):
        return content
    inner = content[0] if isinstance(content, list) and content else content
    if isinstance(inner, Mapping) and (said := _complaint(inner)):
        raise NoAnswer(said)
    if content is not None:
        raise NoAnswer(Complaint("", f"JSON without {' or '.join(wanted)}: {_short(text_of(data, kind))}"))
    raise _unread(data, kind)


def complaint(data: bytes, kind: str = "") -> Complaint:
    """What the body of an error says is wrong."""
    try:
        content = orjson.loads(text_of(data, kind))
    except orjson.JSONDecodeError:
        text = text_of(data, kind)
        return Complaint("", _page(text) or _short(text) or "an empty body")
    if isinstance(content, list) and content:  # Gemini's way to say an error to OpenAI's clients
        content = content[0]
    found = _complaint(content) if isinstance(content, Mapping) else None
    return found or Complaint("", _short(text_of(data, kind)))


def _declared(data: bytes, kind: str) -> Any:
    named = _CHARSET.search(kind.encode())
    try:
        return orjson.loads(data.decode(named[1].decode())) if named else None
    except (LookupError, ValueError):
        return None


def _unread(data: bytes, kind: str) -> NoAnswer:
    text = text_of(data, kind)
    if page := _page(text):
        return NoAnswer(Complaint("", page), page=True)
    try:
        data.decode()
    except UnicodeDecodeError:
        return NoAnswer(Complaint("", f"a body that is not UTF-8: {_short(text)}"))
    return NoAnswer(Complaint("", f"a body that is no JSON: {_short(text)}" if text.strip() else "an empty body"))


def _complaint(content: Mapping[str, Any]) -> Complaint | None:
    """The error in an object: OpenAI's, DashScope's, FastAPI's, and those of gateways and of other providers."""
    error = content.get("error") or content.get("errors") or content.get("base_resp") or content.get("detail")
    if isinstance(error, list):
        error = error[0] if error else None
        if isinstance(error, Mapping) and "loc" in error:  # FastAPI: where in the request, and what
            where = ".".join(map(str, error["loc"])) if isinstance(error["loc"], list) else str(error["loc"])
            return Complaint("", f"{where}: {error.get('msg')}")
    inner = error if isinstance(error, Mapping) else content
    codes = [str(value) for name in _CODES if (value := inner.get(name)) and isinstance(value, str | int)]
    message = next((inner[word] for word in _MESSAGES if isinstance(inner.get(word), str) and inner[word]), "")
    if isinstance(error, str):
        message = f"{error}: {message}" if message else error
    if not message and not (codes and (isinstance(error, Mapping) or "code" in content)):
        return None
    return Complaint(" ".join(dict.fromkeys(codes)), message or "nothing more said")


def _page(text: str) -> str:
    """What a web page says, in a line; "" if it is none."""
    if not _PAGE.match(text):
        return ""
    title = _TITLE.search(text)
    said = _short(html.unescape(_TAGS.sub(" ", title[2] if title else text)))
    return f"a web page: {said}" if said else "a web page"


def _short(text: str) -> str:
    return " ".join(text.split())[:_SHOWN]


def first_choice(data: bytes, kind: str) -> tuple[Mapping[str, Any], Any]:
    """The first choice of a chat completion and its usage. NoAnswer, LookupError or TypeError if it is none."""
    content = answer(data, kind, "choices")
    choice = content["choices"][0]
    return {**choice, "message": {**choice["message"]}}, content.get("usage") or choice.get("usage")
