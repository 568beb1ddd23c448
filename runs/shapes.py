"""Shapes of JSON that more than one door of runs takes."""

from rest_framework import serializers


class RunPatch(serializers.Serializer):
    name = serializers.CharField(required=False)
    description = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    tags = serializers.DictField(required=False)
    properties = serializers.DictField(required=False)
