"""As much of the GraphQL language as clients of this platform use: fields, arguments, variables, one operation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r'\s*(?:#[^\n]*\n\s*)*("(?:\\.|[^"\\])*"|\$?\w+|-?\d+(?:\.\d+)?|\.\.\.|[{}()\[\]:,!=@])')
DEPTH_MAX = 20


@dataclass(frozen=True)
class Field:
    """One selected field."""

    name: str
    alias: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()


class SyntaxProblem(Exception):
    """The document is not GraphQL, or more of it than is spoken here."""


def parse(text: str, variables: Mapping[str, Any]) -> tuple[str, tuple[Field, ...]]:
    """Return ``query`` or ``mutation``, and its fields. Raises SyntaxProblem."""
    tokens, place = [], 0
    text = text.strip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise SyntaxProblem(f"Syntax Error: Unexpected character: {text[place]!r}.")
        tokens.append(found[1])
        place = found.end()
        while place < len(text) and text[place].isspace():
            place += 1
    return _Parser([one for one in tokens if one != ","], variables).operation()


class _Parser:
    def __init__(self, tokens: list[str], variables: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._variables = dict(variables)
        self._place = 0

    def operation(self) -> tuple[str, tuple[Field, ...]]:
        kind = "query"
        if self._peek() in ("query", "mutation"):
            kind = self._take()
            if self._peek() not in ("{", "("):
                self._take()
            if self._peek() == "(":
                self._definitions()
        fields = self._selection(0)
        if self._peek():
            raise SyntaxProblem(f"Syntax Error: Unexpected {self._peek()!r}.")
        return kind, fields

    def _definitions(self) -> None:
        self._expect("(")
        while self._peek() != ")":
            name = self._take()
            self._expect(":")
            while self._peek() not in (")", "=", "") and not self._peek().startswith("$"):
                self._take()
            if self._peek() == "=":
                self._take()
                self._variables.setdefault(name[1:], self._value())
        self._expect(")")

    def _selection(self, depth: int) -> tuple[Field, ...]:
        if depth > DEPTH_MAX:
            raise SyntaxProblem("Query is too deep.")
        self._expect("{")
        fields = []
        while self._peek() != "}":
            fields.append(self._field(depth))
        self._expect("}")
        return tuple(fields)

    def _field(self, depth: int) -> Field:
        name = alias = self._name()
        if self._peek() == ":":
            self._take()
            name = self._name()
        arguments = {}
        if self._peek() == "(":
            self._take()
            while self._peek() != ")":
                key = self._name()
                self._expect(":")
                arguments[key] = self._value()
            self._expect(")")
        fields = self._selection(depth + 1) if self._peek() == "{" else ()
        return Field(name, alias, arguments, fields)

    def _value(self) -> Any:
        token = self._take()
        if token == "{":
            return self._object()
        if token == "[":
            items = []
            while self._peek() != "]":
                items.append(self._value())
            self._expect("]")
            return items
        if token.startswith('"'):
            return token[1:-1].replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        if token.startswith("$"):
            return self._variables.get(token[1:])
        if re.fullmatch(r"-?\d+", token):
            return int(token)
        if re.fullmatch(r"-?\d+\.\d+", token):
            return float(token)
        return {"true": True, "false": False, "null": None}.get(token, token)

    def _object(self) -> dict[str, Any]:
        found = {}
        while self._peek() != "}":
            key = self._name()
            self._expect(":")
            found[key] = self._value()
        self._expect("}")
        return found

    def _name(self) -> str:
        token = self._take()
        if not re.fullmatch(r"[A-Za-z_]\w*", token):
            raise SyntaxProblem(f"Syntax Error: Expected Name, found {token!r}.")
        return token

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise SyntaxProblem("Syntax Error: Unexpected <EOF>.")
        self._place += 1
        return token

    def _expect(self, token: str) -> None:
        found = self._take()
        if found != token:
            raise SyntaxProblem(f"Syntax Error: Expected {token!r}, found {found!r}.")
