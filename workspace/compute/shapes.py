"""Targets and nodes as doors tell them."""

from rest_framework import serializers


class TargetOut(serializers.Serializer):
    name = serializers.CharField()
    kind = serializers.CharField()
    description = serializers.CharField()
    settings = serializers.JSONField()
    owner = serializers.CharField(source="owner.username", default=None)
    created = serializers.DateTimeField()
    created_by = serializers.CharField(source="created_by.username", default=None)
    updated = serializers.DateTimeField()
    nodes = serializers.IntegerField(source="present")
    online = serializers.IntegerField()
    slots = serializers.IntegerField()
    waiting = serializers.IntegerField()
    running = serializers.IntegerField()


class NodeOut(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    online = serializers.BooleanField()
    busy = serializers.IntegerField()
    draining = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    registered = serializers.DateTimeField()
    facts = serializers.JSONField()
    load = serializers.JSONField()
    slots = serializers.IntegerField()
