"""workspaces/<ws>/tensorboards."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from runs.tensorboards import queries, services, tickets
from runs.tensorboards.addresses import address
from runs.tensorboards.models import Board
from studio.kernel.api import actor_of, parse


class BoardIn(serializers.Serializer):
    runs = serializers.ListField(child=serializers.CharField(max_length=100), max_length=1000)


def _shown(board: Board) -> dict[str, Any]:
    """The board, with the address at which a program looks through it with its token."""
    found = queries.board_out(board)
    return {**found, "url": address(board.workspace.slug, board.pk, tickets.BEARER)}


class Boards(APIView):
    def post(self, request: Request, ws: str) -> Response:
        actor = actor_of(request)
        board, made = services.open_board(ws, actor=actor, run_ids=parse(BoardIn, request.data)["runs"])
        return Response(_shown(queries.get_board(ws, board.pk, actor=actor)), 201 if made else 200)


class BoardDetail(APIView):
    def get(self, request: Request, ws: str, board: str) -> Response:
        actor = actor_of(request)
        return Response(_shown(queries.get_board(ws, board, actor=actor)))

    def delete(self, request: Request, ws: str, board: str) -> Response:
        services.stop_board(ws, board, actor=actor_of(request))
        return Response(status=204)
