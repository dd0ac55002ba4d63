"""Picks the option model of an engine or a storage by the `type` that the file gives."""

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from backupctl.options import Options

UNRESOLVED = "unresolved"
"""The type of what stands in for options that lack a variable and are not needed."""

UNKNOWN_TYPE = "unknown_type"
NO_MAPPING = "no_mapping"


class Member(Protocol):
    """An engine's or a storage's class."""

    Options: type[Any]


class FamilyMember:
    """An annotation: the value is checked by its type's own model, and error paths stay the user's.

    A tagged union would put the tag into the path (pydantic 2), and the models of all types into one error.
    """

    def __init__(self, what: str, members: Mapping[str, Member], *, or_name: bool = False) -> None:
        self._what = what
        self._members = members
        self._or_name = or_name

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shapes = [self._shape(kind, handler) for kind in sorted(self._members)]
        if self._or_name:
            shapes.insert(0, {"type": "string", "minLength": 1})
        return {"anyOf": shapes}

    def _shape(self, kind: str, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        model: type[BaseModel] = self._members[kind].Options
        reference = handler(model.__pydantic_core_schema__)
        shape = handler.resolve_ref_schema(reference)
        shape["properties"] = {**shape["properties"], "type": {"const": kind}}
        shape["required"] = ["type", *(name for name in shape.get("required", []) if name != "type")]
        return reference

    def _validate(self, value: Any, info: core_schema.ValidationInfo) -> Any:
        if self._or_name and isinstance(value, str):
            return value
        if isinstance(value, Options):  # a stand-in for what is not needed and lacks a variable
            return value
        if not isinstance(value, Mapping):
            raise PydanticCustomError(NO_MAPPING, "this must be a mapping with a type")
        kind = value.get("type")
        if "type" not in value:
            raise self._at_type(value, PydanticCustomError("missing", "missing"))
        if not isinstance(kind, str) or kind not in self._members:
            raise self._at_type(value, self._unknown())
        return self._members[kind].Options.model_validate(value, context=info.context)

    def _unknown(self) -> PydanticCustomError:
        context = {"what": self._what, "known": sorted(self._members)}
        return PydanticCustomError(UNKNOWN_TYPE, "there is no such type", context)

    def _at_type(self, value: Any, error: PydanticCustomError) -> ValidationError:
        return ValidationError.from_exception_data(
            self._what, [InitErrorDetails(type=error, loc=("type",), input=None)]
        )
