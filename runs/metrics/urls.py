from runs.metrics import hot
from studio.kernel.hot import route

_RUN = "/api/v1/workspaces/<ws>/runs/<run>"

hot_routes = [
    route("POST", "/agent/v1/runs/<run>/metrics", hot.log_from_code),
    route("POST", f"{_RUN}/metrics", hot.log_from_user),
    route("GET", f"{_RUN}/metrics", hot.summary),
    route("GET", f"{_RUN}/series", hot.series),
    route("GET", f"{_RUN}/items", hot.items),
]
