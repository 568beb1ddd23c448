"""workspaces/<ws>/runs/<run>/{uncommitted.diff,agreement}"""

import math

from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.origins import queries
from studio.kernel.api import actor_of
from studio.kernel.errors import Invalid


class Uncommitted(APIView):
    def get(self, request: Request, ws: str, run: str) -> HttpResponse:
        """The changes as a file for `git apply`."""
        patch = queries.patch_of(ws, run, actor=actor_of(request))
        answer = HttpResponse(patch.text, content_type="text/plain; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{run}.diff"'
        answer["X-Content-Type-Options"] = "nosniff"
        return answer


class Agreement(APIView):
    def get(self, request: Request, ws: str, run: str) -> Response:
        """?with= another run, ?close= the relative difference up to which numbers agree."""
        asked = request.query_params
        found = queries.agreement(
            ws, run, asked.get("with", ""), actor=actor_of(request), close=_close(asked.get("close", ""))
        )
        return Response(found)


def _close(text: str) -> float:
    if not text:
        return queries.likeness.CLOSE
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise Invalid(_("close is a number from 0 to below 1, such as 1e-6."), field="close")
    return value
