"""What both doors take: a list of files whose bytes were sent before."""

from django.utils.translation import gettext as _
from rest_framework import serializers

from studio.kernel.errors import TooLarge

#: 20 000 entries with long paths.
MAX_BODY = 8 * 1024 * 1024


class ArtifactsIn(serializers.Serializer):
    # Entries are judged by kernel.manifests: a serializer for each of 20 000 would take seconds.
    files = serializers.ListField(child=serializers.DictField())


def too_many_files(most: int) -> TooLarge:
    """For a run that has no room for another file."""
    return TooLarge(
        _("The run would have more than %(most)s files, the most that are kept.") % {"most": most},
        code="too_many_files",
        hint=_("Pack many small files into one."),
    )
