"""What both doors take: a list of files whose bytes were sent before."""

from rest_framework import serializers

#: 20 000 entries with long paths.
MAX_BODY = 8 * 1024 * 1024


class ArtifactsIn(serializers.Serializer):
    # Entries are judged by kernel.manifests: a serializer for each of 20 000 would take seconds.
    files = serializers.ListField(child=serializers.DictField())
