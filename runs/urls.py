from django.urls import path

from runs import consumers, hot
from studio.kernel.hot import route

_BLOBS = "/agent/v1/runs/<run>/blobs"

hot_routes = [
    route("GET", f"{_BLOBS}/<sha256>", hot.get_blob),
    route("POST", f"{_BLOBS}/missing", hot.missing),
    route("PUT", f"{_BLOBS}/<sha256>", hot.put),
]

live_routes = [
    path("ws/w/<str:ws>/feed", consumers.FeedConsumer.as_asgi()),
    path("ws/w/<str:ws>/runs/<str:run>", consumers.RunConsumer.as_asgi()),
]
