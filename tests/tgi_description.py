"""TGI's API description as validators; fixtures/tgi/README.md tells where it comes from."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

FIXTURES = Path(__file__).parent / "fixtures" / "tgi"
DESCRIPTION = json.loads((FIXTURES / "openapi.json").read_text(encoding="utf-8"))


def faults_of(schema: str, value: object) -> list[str]:
    """What in the value breaks the description."""
    return [f"{schema}: {error.message}" for error in _VALIDATORS[schema].iter_errors(value)]


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: `nullable`, and nothing undescribed in what we send."""
    if isinstance(node, list):
        return [_as_json_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _as_json_schema(each) for key, each in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") else plain


def _validators() -> dict[str, Any]:
    schemas = _as_json_schema(DESCRIPTION["components"]["schemas"])
    schemas["ChatRequest"]["additionalProperties"] = False
    schemas["StreamOptions"]["additionalProperties"] = False
    schemas["Message"]["propertyNames"] = {"enum": ["role", "content", "name", "tool_calls"]}
    whole = {"components": {"schemas": schemas}}
    return {
        name: jsonschema_rs.Draft202012Validator({"$ref": f"#/components/schemas/{name}", **whole})
        for name in schemas
    }


_VALIDATORS = _validators()
