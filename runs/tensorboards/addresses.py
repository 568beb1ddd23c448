"""Where a board is looked at."""

from django.conf import settings


def address(slug: str, board: str, ticket: str) -> str:
    """The address of a board for whoever has the ticket; on the second origin where there is one."""
    return f"{settings.CONTENT_URL}/tb/{slug}/{board}/{ticket}/"
