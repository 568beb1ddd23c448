"""Targets and nodes as doors tell them."""

from typing import Any

from rest_framework import serializers

from workspace.compute import kinds, queries, status, words
from workspace.compute.models import ComputeTarget, Happening, Node


class TargetOut(serializers.Serializer):
    name = serializers.CharField()
    kind = serializers.CharField()
    description = serializers.CharField()
    settings = serializers.JSONField()
    tags = serializers.JSONField()
    owner = serializers.CharField(source="owner.username", default=None)
    created = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)
    updated = serializers.DateTimeField()
    nodes = serializers.IntegerField(source="present")
    online = serializers.IntegerField()
    slots = serializers.IntegerField()
    waiting = serializers.IntegerField()
    running = serializers.IntegerField()
    #: In a word of the Azure ML SDK v1, and as pages show it.
    state = serializers.SerializerMethodField()
    shown_state = serializers.CharField()
    reason_code = serializers.CharField()
    reason = serializers.SerializerMethodField()
    why = serializers.JSONField()
    since = serializers.DateTimeField()
    kept_until = serializers.DateTimeField()

    def get_reason(self, target: ComputeTarget) -> str:
        return words.reason_of(target)

    def get_state(self, target: ComputeTarget) -> str:
        return status.word_of(target)


class NodeOut(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    online = serializers.BooleanField()
    busy = serializers.IntegerField()
    state = serializers.CharField(source="shown_state")
    since = serializers.DateTimeField()
    note = serializers.SerializerMethodField()
    why = serializers.JSONField()
    draining = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    registered = serializers.DateTimeField()
    facts = serializers.JSONField()
    load = serializers.JSONField()
    slots = serializers.IntegerField()
    environments = serializers.JSONField(source="shelf")

    def get_note(self, node: Node) -> str:
        return words.note_of(node)


class HappeningOut(serializers.Serializer):
    at = serializers.DateTimeField()
    code = serializers.CharField()
    node = serializers.CharField()
    text = serializers.SerializerMethodField()
    why = serializers.JSONField()

    def get_text(self, happening: Happening) -> str:
        return words.text_of(happening)


def target_in_full(target: ComputeTarget, nodes: list[Node]) -> dict[str, Any]:
    """A target with its nodes; of a cluster the status object, of an instance when it stops if nothing happens."""
    shown: dict[str, Any] = dict(TargetOut(target).data)
    shown["warnings"] = status.warnings_of(target)
    if target.kind == kinds.INSTANCE:
        shown["stops_at"] = queries.stops_at(target, nodes)
    return {**shown, "nodes": NodeOut(nodes, many=True).data, "status": status.status_of(target, nodes)}
