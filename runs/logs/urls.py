from runs.logs import hot
from studio.kernel.hot import route

_RUN = "/api/v1/workspaces/<ws>/runs/<run>"

hot_routes = [
    route("PATCH", "/agent/v1/runs/<run>/log", hot.append_from_code),
    route("POST", "/agent/v1/runs/<run>/log/complete", hot.complete_from_code),
    route("PATCH", f"{_RUN}/log", hot.append_from_user),
    route("POST", f"{_RUN}/log/complete", hot.complete_from_user),
    route("GET", f"{_RUN}/log", hot.read),
    route("GET", f"{_RUN}/log/lines", hot.read_lines),
    route("GET", f"{_RUN}/log/search", hot.search),
    route("GET", f"{_RUN}/log/merged", hot.read_merged),
    route("GET", f"{_RUN}/log/merged/search", hot.search_merged),
]
