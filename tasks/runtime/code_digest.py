"""What a file of code does, as a digest: what is said of it, and what it says to people on the way, is no part.

Left out are comments, docstrings, blank lines and the order of lines in a call; log lines; the words of the errors of
this project and of ticks of progress; and what a child only says to its parent's log. A value that is computed for
such words counts, because computing it may do something.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from types import CodeType
from typing import Any

_NO_DOCSTRINGS = 2  # Python's second level of optimisation: docstrings and assertions are left out
_LOGS = {"log", "logger", "logging"}
_LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
_WORDED = {"PonensError", "UsageError", "Tick"}  # what these are given is read by people alone
_SPOKEN = {"say", "warn"}  # in a message of a child: text for the log
_SIGNS = tuple(f"{name}.".encode() for name in _LOGS) + tuple(f"{name}(".encode() for name in (*_WORDED, "say"))
_PLACE: Any = {"lineno": 1, "col_offset": 0, "end_lineno": 1, "end_col_offset": 0}
_ACTS = (ast.Call, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)


def code_digest(text: bytes) -> str:
    """SHA-256 of what this source compiles to. SyntaxError if it is no Python.

    Another minor version of Python compiles otherwise and so gives other digests.
    """
    tree = ast.parse(text)
    for node in ast.walk(tree) if any(sign in text for sign in _SIGNS) else ():  # most files have none
        if isinstance(node, ast.Call):
            _silence(node)
        elif isinstance(getattr(node, "body", None), list):
            _leave_logs_out(node)
    code = compile(tree, "", "exec", dont_inherit=True, optimize=_NO_DOCSTRINGS)
    whole = hashlib.sha256()
    for part in _parts(code):
        whole.update(part + b"\0")
    return whole.hexdigest()


def _leave_logs_out(node: ast.AST) -> None:
    """Drop the log lines of a block, but for those that compute something."""
    for block in ("body", "orelse", "finalbody"):
        if lines := getattr(node, block, None):
            left = [line for line in lines if not _only_logs(line)]
            if len(left) < len(lines):
                setattr(node, block, left or ([] if block != "body" else [ast.Pass(**_PLACE)]))


def _only_logs(line: ast.stmt) -> bool:
    if not isinstance(line, ast.Expr) or not isinstance(line.value, ast.Call) or not _is_log(line.value):
        return False
    call = line.value
    return not any(_acts(arg) for arg in (*call.args, *(k.value for k in call.keywords)))


def _silence(call: ast.Call) -> None:
    """Take from a call the words that only people read."""
    name = _name(call.func)
    if name in _WORDED or _is_log(call):
        call.args = [_muted(arg) for arg in call.args]
        for keyword in call.keywords:
            keyword.value = _muted(keyword.value)
    elif name == "say":
        for message in call.args:
            if isinstance(message, ast.Dict):
                message.values = [
                    _muted(value) if isinstance(key, ast.Constant) and key.value in _SPOKEN else value
                    for key, value in zip(message.keys, message.values, strict=True)
                ]


def _is_log(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in _LEVELS:
        return False
    return isinstance(function.value, ast.Name) and function.value.id in _LOGS


def _acts(node: ast.expr) -> bool:
    return any(isinstance(part, _ACTS) for part in ast.walk(node))


def _muted(node: ast.expr) -> ast.expr:
    """What is computed for a text, without the text."""
    return _Mute().visit(node) if _acts(node) else ast.Constant(None, **_PLACE)


class _Mute(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("", **_PLACE) if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.JoinedStr:
        computed = [self.visit(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
        return ast.JoinedStr([ast.FormattedValue(value, -1, None, **_PLACE) for value in computed], **_PLACE)


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _parts(code: CodeType) -> Iterator[bytes]:
    """All of a code object that says what it does, and nothing of where it stands."""
    signature = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    yield repr((code.co_name, signature, names)).encode()
    yield code.co_code + code.co_exceptiontable
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)
        else:  # a set has no order that holds in another process
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant).encode()
