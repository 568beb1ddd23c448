from django.urls import path

from runs.metrics import consumers, hot
from studio.kernel.hot import route

_RUN = "/api/v1/workspaces/<ws>/runs/<run>"

hot_routes = [
    route("POST", "/agent/v1/runs/<run>/metrics", hot.log_from_code),
    route("POST", f"{_RUN}/metrics", hot.log_from_user),
    route("GET", f"{_RUN}/metrics", hot.summary),
    route("GET", f"{_RUN}/series", hot.series),
    route("GET", f"{_RUN}/items", hot.items),
    route("GET", "/api/v1/workspaces/<ws>/chart", hot.chart),
]

live_routes = [path("ws/w/<str:ws>/chart", consumers.ChartConsumer.as_asgi())]
