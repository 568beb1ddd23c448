from django.urls import path

from runs.tensorboards import agent_api, api, hot, views
from studio.kernel.hot import route

_LOOK = "/tb/<ws>/<board>/<ticket>"
_LIST = "workspaces/<str:ws>/tensorboards"
_PAGE = "w/<str:ws>/tensorboard"

hot_routes = [
    route("GET", f"{_LOOK}/", hot.look),
    route("*", f"{_LOOK}/<path:rest>", hot.look),
    route("GET", "/api/v1/workspaces/<ws>/runs/<run>/tfevents", hot.written),
    route("GET", "/agent/v1/boards/<board>/files", hot.files),
    route("GET", "/agent/v1/boards/<board>/blobs/<sha256>", hot.get_blob),
]

api_routes = [
    path(_LIST, api.Boards.as_view(), name="tensorboards"),
    path(f"{_LIST}/<str:board>", api.BoardDetail.as_view(), name="tensorboard"),
]

agent_routes = [
    path("boards/sync", agent_api.Sync.as_view(), name="boards_sync"),
]

pages = [
    path(_PAGE, views.board_of_runs, name="tensorboard"),
    path(f"{_PAGE}/open", views.open_board, name="tensorboard_open"),
    path(f"{_PAGE}/<str:board>/stop", views.stop_board, name="tensorboard_stop"),
    path(f"{_PAGE}/<str:board>/seen", views.seen, name="tensorboard_seen"),
]
