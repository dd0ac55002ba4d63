"""The JSON Schema of the jobs file, for editors."""

from typing import Any

from backupctl.config.schema import JobsFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}
"""What may stand for a value that is no text: a variable or a file."""

_DROPPED = ("title", "format", "writeOnly")


def json_schema() -> dict[str, Any]:
    """What the file may hold, as the models say."""
    schema = _loosened(JobsFile.model_json_schema())
    schema["$schema"] = DIALECT
    schema["$defs"]["JobEntry"]["required"] = ["name"]  # the rest may come from `defaults`
    schema["title"] = "backupctl jobs file"
    schema["properties"]["version"] = {"const": 1, "description": "The format's version"}
    return dict(sorted(schema.items()))


def _loosened(schema: Any, *, names: bool = False) -> Any:
    """The schema with references let in; `names`: the keys here are the user's, not the schema's."""
    if isinstance(schema, list):
        return [_loosened(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _loosened(value, names=key in ("properties", "$defs") and not names)
        for key, value in schema.items()
        if names or key not in _DROPPED
    }
    if names:
        return kept
    if "anyOf" in kept:
        return _without_null(kept)
    if not _is_no_text(kept):
        return kept
    about = {key: kept.pop(key) for key in ("description", "default") if key in kept}
    return {"anyOf": [kept, _REFERENCE], **about}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A key is left out, never null."""
    shapes = [shape for shape in schema.pop("anyOf") if shape != {"type": "null"}]
    if schema.get("default", ...) is None:
        del schema["default"]
    return {**schema, **shapes[0]} if len(shapes) == 1 else {**schema, "anyOf": shapes}


def _is_no_text(schema: dict[str, Any]) -> bool:
    return schema.get("type") in ("integer", "number", "boolean") or "enum" in schema
