"""What the OpenAPI document promises: bounds for every input, one shape for every error, who may call what."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from app.main import create_app
from app.problems import MEDIA_TYPE
from app.routes import route_map
from tests.conftest import settings_for

BOUNDED_FORMATS = {"uuid", "date", "date-time"}
DEPENDS_ON_WHOSE_IT_IS = {"DELETE /api/v1/sessions/{session_id}"}
"""Whoever is signed in may call these for what is theirs, and needs a permission for what is another's."""


@dataclass(frozen=True)
class Operation:
    """One method of one path, with what the document says of it and what the route map says."""

    name: str
    path: str
    guard: str | None
    content: dict[str, Any]

    @property
    def responses(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.content["responses"]
        return found

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [content["schema"] for content in self.content.get("requestBody", {}).get("content", {}).values()]


class Document:
    """The document of the application."""

    def __init__(self) -> None:
        app = create_app(settings_for("sqlite:///nothing.db"))
        guards = {(method, entry.path): entry.guard for entry in route_map(app) for method in entry.methods.split(",")}
        self.content: dict[str, Any] = app.openapi()
        self.operations = [
            Operation(f"{method.upper()} {path}", path, guards[method.upper(), path], operation)
            for path, operations in self.content["paths"].items()
            for method, operation in operations.items()
        ]

    def resolve(self, reference: str) -> Any:
        """Return what a `$ref` points to. Raises `KeyError` when it points nowhere."""
        assert reference.startswith("#/"), f"{reference} points outside the document"
        target: Any = self.content
        for part in reference.removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        return target

    def forms(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield each form that a body may have."""
        for choice in schema.get("oneOf") or schema.get("anyOf") or ():
            yield from self.forms(choice)
        if "$ref" in schema:
            yield from self.forms(self.resolve(schema["$ref"]))
        elif "properties" in schema:
            yield schema

    def inputs(self, operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every value that an operation takes, from its path, its query and its body."""
        for parameter in operation.content.get("parameters", ()):
            yield from self._leaves(parameter["schema"], f"{operation.name} {parameter['name']}")
        for schema in operation.bodies:
            yield from self._leaves(schema, f"{operation.name} body")

    def _leaves(self, schema: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every schema that takes a value or a list, with where it stands."""
        if "$ref" in schema:
            yield from self._leaves(self.resolve(schema["$ref"]), place)
        for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
            yield from self._leaves(choice, place)
        for name, child in schema.get("properties", {}).items():
            yield from self._leaves(child, f"{place}.{name}")
        for name in ("additionalProperties", "items"):
            if isinstance(schema.get(name), dict):
                yield from self._leaves(schema[name], f"{place}.*")
        if schema.get("type") in {"string", "integer", "number", "array"}:
            yield place, schema


@cache
def the_document() -> Document:
    """Return the document, which all tests read and none changes."""
    return Document()


@pytest.fixture
def document() -> Document:
    return the_document()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def is_bounded(schema: dict[str, Any]) -> bool:
    if "enum" in schema or "const" in schema:
        return True
    if schema["type"] == "string":
        return "maxLength" in schema or schema.get("format") in BOUNDED_FORMATS
    if schema["type"] == "array":
        return "maxItems" in schema
    least = {"minimum", "exclusiveMinimum"} & set(schema)
    most = {"maximum", "exclusiveMaximum"} & set(schema)
    return bool(least and most)


def test_every_input_is_bounded(document: Document) -> None:
    """V1.3.3, V1.4.2, S18, S26, S40: no endless text, no number without both ends, no endless list."""
    inputs = [found for operation in document.operations for found in document.inputs(operation)]
    assert [place for place, schema in inputs if not is_bounded(schema)] == []


def test_the_walk_over_inputs_sees_each_kind(document: Document) -> None:
    """A walk that finds nothing would pass: this one finds parameters, bodies, forms, and optional fields."""
    assert {
        "GET /api/v1/users/ limit",
        "GET /api/v1/users/ q",
        "PATCH /api/v1/users/{user_id} user_id",
        "POST /api/v1/auth/login body.username",
        "POST /api/v1/auth/register body.full_name",
    } <= {place for operation in document.operations for place, _ in document.inputs(operation)}


@pytest.mark.parametrize(
    ("schema", "bounded"),
    [
        ({"type": "string"}, False),
        ({"type": "string", "format": "password"}, False),
        ({"type": "string", "maxLength": 5}, True),
        ({"type": "string", "format": "uuid"}, True),
        ({"type": "string", "const": ""}, True),
        ({"type": "integer", "minimum": 1}, False),
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 5}, True),
        ({"type": "array", "items": {}}, False),
    ],
)
def test_the_judgement_of_bounds_can_say_no(schema: dict[str, Any], bounded: bool) -> None:
    assert is_bounded(schema) is bounded


def test_a_body_with_a_field_that_is_not_named_is_refused(document: Document) -> None:
    """S22, 3.8-01, V15.3.3: an unknown field is an error, never silently dropped."""
    open_bodies = [
        operation.name
        for operation in document.operations
        for schema in operation.bodies
        for form in document.forms(schema)
        if form["additionalProperties"] is not False
    ]
    assert open_bodies == []


def test_every_error_is_a_problem_document_and_nothing_else(document: Document) -> None:
    """PD-01, S89: one shape of error, with the codes that can occur."""
    errors = [
        (operation.name, int(status), response["content"])
        for operation in document.operations
        for status, response in operation.responses.items()
        if not status.startswith(("2", "3"))
    ]
    assert len(errors) > len(document.operations)
    for name, status, content in errors:
        assert list(content) == [MEDIA_TYPE], (name, status)
        assert content[MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}, (name, status)
        examples = content[MEDIA_TYPE]["examples"]
        assert examples, (name, status)
        for code, example in examples.items():
            assert (example["value"]["code"], example["value"]["status"]) == (code, status), name


def test_every_operation_says_who_may_call_it(document: Document) -> None:
    """V8.1.1: the document repeats the guard, asks for a token only where one is needed, and names the refusals."""
    for operation in document.operations:
        guard = operation.guard or ""
        refusals = [code for status in ("401", "403") for code in _codes(operation, status)]
        assert operation.content["x-guard"] == guard != "", operation.name
        assert ("security" in operation.content) == (guard != "public"), operation.name
        assert ("NOT_AUTHENTICATED" in refusals) == (guard != "public"), operation.name
        may_refuse = guard.startswith("permission") or operation.name in DEPENDS_ON_WHOSE_IT_IS
        assert ("PERMISSION_DENIED" in refusals) == may_refuse, operation.name


def _codes(operation: Operation, status: str) -> list[str]:
    content = operation.responses.get(status, {}).get("content", {})
    return list(content.get(MEDIA_TYPE, {}).get("examples", {}))


def test_every_operation_is_described(document: Document) -> None:
    for operation in document.operations:
        assert operation.content["summary"], operation.name
        assert operation.content["description"], operation.name
        assert operation.content["tags"], operation.name


def test_the_names_of_operations_are_unique(document: Document) -> None:
    """Generated clients have one method for each."""
    names = [operation.content["operationId"] for operation in document.operations]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere(document: Document) -> None:
    found = list(references(document.content))
    assert found
    for reference in found:
        document.resolve(reference)


def test_no_schema_is_left_over(document: Document) -> None:
    """S14: a schema that no route uses promises what nobody keeps; the framework's own errors are gone."""
    used = {reference.rpartition("/")[2] for reference in references(document.content)}
    assert set(document.content["components"]["schemas"]) - used == set()


def test_the_parameters_of_a_path_are_declared(document: Document) -> None:
    for operation in document.operations:
        declared = {p["name"] for p in operation.content.get("parameters", ()) if p["in"] == "path"}
        named = {part.strip("{}") for part in operation.path.split("/") if part.startswith("{")}
        assert declared == named, operation.name


def test_the_document_is_openapi_3_1(document: Document) -> None:
    assert document.content["openapi"].startswith("3.1.")
    assert set(document.content["info"]) >= {"title", "version", "description"}


def test_the_sign_in_that_the_document_names_is_a_route(document: Document) -> None:
    """S102: the button of the API document asks where one really signs in."""
    schemes = document.content["components"]["securitySchemes"]
    asked = {name for o in document.operations for entry in o.content.get("security", ()) for name in entry}
    urls = {flow["tokenUrl"] for scheme in schemes.values() for flow in scheme.get("flows", {}).values()}
    assert asked == set(schemes)
    assert urls == {"/api/v1/auth/login"}
    assert "POST /api/v1/auth/login" in {operation.name for operation in document.operations}


def test_no_answer_holds_a_secret_of_the_server(document: Document) -> None:
    """S12, 3.8-02, V15.3.1."""
    schemas = document.content["components"]["schemas"].values()
    names = {name for schema in schemas for name in schema.get("properties", {})}
    assert [name for name in names if any(word in name for word in ("hash", "digest", "encrypted"))] == []
