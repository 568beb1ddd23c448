"""Shapes of JSON that more than one door of runs takes."""

from typing import Any

from rest_framework import serializers


class RunPatch(serializers.Serializer):
    name = serializers.CharField(required=False)
    description = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    tags = serializers.DictField(required=False)
    properties = serializers.DictField(required=False)
    snapshot = serializers.CharField(required=False, max_length=26)


class ChildIn(serializers.Serializer):
    name = serializers.CharField(default="", allow_blank=True)
    tags = serializers.DictField(default=dict)


class ChildrenIn(serializers.Serializer):
    """Either how many, or what is known of each."""

    count = serializers.IntegerField(required=False, min_value=1, max_value=1000)
    children = serializers.ListField(child=ChildIn(), required=False, max_length=1000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("count" in attrs) == ("children" in attrs):
            raise serializers.ValidationError("Give either count or children.")
        return {"children": attrs.get("children") or [{}] * attrs.get("count", 0)}


class ReproduceIn(serializers.Serializer):
    target = serializers.CharField(default="", allow_blank=True)


class EndIn(serializers.Serializer):
    status = serializers.CharField()
    message = serializers.CharField(default="", allow_blank=True)
