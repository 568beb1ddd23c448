from django.urls import path

from studio.kernel.hot import route
from studio.mlflow import views
from studio.mlflow.hot import about, artifacts, bulk, elsewhere, experiments, runs, telemetry, webhooks

#: MLflow's pages and some tools use the second form of the same addresses.
_PREFIXES = ("/mlflow/<ws>/api/2.0", "/mlflow/<ws>/ajax-api/2.0")
_CALLS = [
    ("POST", "mlflow/experiments/create", experiments.create),
    ("GET", "mlflow/experiments/get", experiments.get),
    ("GET", "mlflow/experiments/get-by-name", experiments.get_by_name),
    ("GET", "mlflow/experiments/search", experiments.find_many),
    ("POST", "mlflow/experiments/search", experiments.find_many),
    ("POST", "mlflow/experiments/update", experiments.update),
    ("POST", "mlflow/experiments/delete", experiments.delete),
    ("POST", "mlflow/experiments/restore", experiments.restore),
    ("POST", "mlflow/experiments/set-experiment-tag", experiments.set_tag),
    ("POST", "mlflow/experiments/delete-experiment-tag", experiments.delete_tag),
    ("POST", "mlflow/runs/create", runs.create),
    ("GET", "mlflow/runs/get", runs.get),
    ("POST", "mlflow/runs/update", runs.update),
    ("POST", "mlflow/runs/search", runs.find_many),
    ("POST", "mlflow/runs/delete", runs.delete),
    ("POST", "mlflow/runs/restore", runs.restore),
    ("POST", "mlflow/runs/set-tag", runs.set_tag),
    ("POST", "mlflow/runs/delete-tag", runs.delete_tag),
    ("POST", "mlflow/runs/log-metric", telemetry.log_metric),
    ("POST", "mlflow/runs/log-parameter", telemetry.log_parameter),
    ("POST", "mlflow/runs/log-batch", telemetry.log_batch),
    ("GET", "mlflow/metrics/get-history", telemetry.history),
    ("GET", "mlflow/metrics/get-history-bulk", bulk.history),
    ("GET", "mlflow/metrics/get-history-bulk-interval", bulk.interval),
    ("POST", "mlflow/logged-models/search", elsewhere.find_logged_models),
    ("POST", "mlflow/webhooks", webhooks.create),
    ("GET", "mlflow/webhooks", webhooks.find_many),
    ("GET", "mlflow/webhooks/<webhook>", webhooks.get),
    ("PATCH", "mlflow/webhooks/<webhook>", webhooks.update),
    ("DELETE", "mlflow/webhooks/<webhook>", webhooks.delete),
    ("POST", "mlflow/webhooks/<webhook>/test", webhooks.test),
    ("GET", "mlflow/artifacts/list", artifacts.find_in_run),
    ("GET", "mlflow-artifacts/artifacts", artifacts.find_many),
    ("PUT", "mlflow-artifacts/artifacts/<path:path>", artifacts.put),
    ("GET", "mlflow-artifacts/artifacts/<path:path>", artifacts.get),
    ("HEAD", "mlflow-artifacts/artifacts/<path:path>", artifacts.get),
    ("DELETE", "mlflow-artifacts/artifacts/<path:path>", artifacts.delete),
    ("POST", "mlflow-artifacts/mpu/<path:path>", artifacts.no_multipart),
]

hot_routes = [
    route("GET", "/mlflow/<ws>/health", about.health),
    route("GET", "/mlflow/<ws>/version", about.version),
    *(route("GET", f"/mlflow/<ws>/{api}/3.0/mlflow/server-info", about.server_info) for api in ("api", "ajax-api")),
    *(route("GET", f"/mlflow/<ws>/{api}/3.0/mlflow/workspaces", about.workspaces) for api in ("api", "ajax-api")),
    *(route("GET", f"/mlflow/<ws>/{api}/3.0/mlflow/workspaces/<name>", about.workspace) for api in ("api", "ajax-api")),
    *(route(method, f"{prefix}/{call}", door) for prefix in _PREFIXES for method, call, door in _CALLS),
    route("GET", "/mlflow/<ws>/get-artifact", artifacts.get_of_run),
    # Last: what no line above has taken.
    *(route(method, "/mlflow/<ws>/<path:path>", elsewhere.no_endpoint) for method in ("GET", "POST", "PUT")),
    *(route(method, "/mlflow/<ws>/<path:path>", elsewhere.no_endpoint) for method in ("PATCH", "DELETE")),
]

pages = [path("mlflow/<str:ws>/", views.link, name="mlflow")]
