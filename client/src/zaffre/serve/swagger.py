"""The Swagger document of a scoring script that declares its input."""

from __future__ import annotations

from typing import Any, Dict


def document(name: str, schema: Dict[str, Any], version: str) -> Dict[str, Any]:
    """Describe the service `name` for Swagger 2 or OpenAPI 3."""
    openapi = not version.startswith("2")
    where = "#/components/schemas/" if openapi else "#/definitions/"
    definitions = {
        "ServiceInput": schema["input"],
        "ServiceOutput": schema["output"],
        "ErrorResponse": {"type": "object", "properties": {"message": {"type": "string"}}},
    }

    def answer(words: str, ref: str) -> Dict[str, Any]:
        found = {"$ref": where + ref}
        if openapi:
            return {"description": words, "content": {"application/json": {"schema": found}}}
        return {"description": words, "schema": found}

    score: Dict[str, Any] = {
        "operationId": "RunMLService",
        "security": [{"Bearer": []}],
        "responses": {
            "200": answer("The answer of run()", "ServiceOutput"),
            "default": answer("Error", "ErrorResponse"),
        },
    }
    given = {"$ref": where + "ServiceInput"}
    if openapi:
        score["requestBody"] = {"required": True, "content": {"application/json": {"schema": given}}}
    else:
        score["parameters"] = [{"name": "serviceInputPayload", "in": "body", "required": True, "schema": given}]
    plain = {"responses": {"200": {"description": "OK"}}}
    paths = {
        "/": {"get": {"operationId": "ServiceHealthCheck", **plain}},
        "/score": {"post": score},
        "/swagger.json": {"get": {"operationId": "GetSwaggerSpec", **plain}},
    }
    bearer = {"type": "apiKey", "name": "Authorization", "in": "header"}
    info = {"title": name, "description": f"API specification for the {name} service", "version": "1.0"}
    if openapi:
        components = {"schemas": definitions, "securitySchemes": {"Bearer": bearer}}
        return {"openapi": "3.0.3", "info": info, "paths": paths, "components": components}
    return {
        "swagger": "2.0",
        "info": info,
        "schemes": ["http", "https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"Bearer": bearer},
        "paths": paths,
        "definitions": definitions,
    }
