from django.urls import path

from runs import agent_api, api, consumers, hot, views
from studio.kernel.hot import route

_BLOBS = "/agent/v1/runs/<run>/blobs"
_RUNS = "workspaces/<str:ws>/runs"
_PAGE = "w/<str:ws>/runs/<str:run>"

hot_routes = [
    route("POST", "/api/v1/workspaces/<ws>/submissions", hot.submit),
    route("POST", "/agent/v1/nodes/claim", hot.claim),
    route("GET", f"{_BLOBS}/<sha256>", hot.get_blob),
    route("POST", f"{_BLOBS}/missing", hot.missing),
    route("POST", f"{_BLOBS}/pack", hot.pack),
    route("POST", _BLOBS, hot.put_many),
    route("PUT", f"{_BLOBS}/<sha256>", hot.put),
    route("POST", "/agent/v1/runs/<run>/progress", hot.progress),
    route("POST", "/agent/v1/runs/<run>/result", hot.result),
    route("POST", "/agent/v1/runs/<run>/finish", hot.finish),
]

live_routes = [
    path("ws/w/<str:ws>/feed", consumers.FeedConsumer.as_asgi()),
    path("ws/w/<str:ws>/runs/<str:run>", consumers.RunConsumer.as_asgi()),
]

api_routes = [
    path("workspaces/<str:ws>/experiments", api.Experiments.as_view(), name="experiments"),
    path("workspaces/<str:ws>/experiments/<int:number>", api.ExperimentDetail.as_view(), name="experiment_detail"),
    path(_RUNS, api.Runs.as_view(), name="runs"),
    path(f"{_RUNS}/complete", api.Complete.as_view(), name="run_complete"),
    path(f"{_RUNS}/<str:run>", api.RunDetail.as_view(), name="run"),
    path(f"{_RUNS}/<str:run>/cancel", api.Cancel.as_view(), name="run_cancel"),
    path(f"{_RUNS}/<str:run>/reproduce", api.Reproduce.as_view(), name="run_reproduce"),
    path(f"{_RUNS}/<str:run>/end", api.End.as_view(), name="run_end"),
    path(f"{_RUNS}/<str:run>/children", api.Children.as_view(), name="run_children"),
]

agent_routes = [
    path("nodes/hello", agent_api.Hello.as_view(), name="node_hello"),
    path("nodes/renew", agent_api.Renew.as_view(), name="node_renew"),
    path("runs/<str:run>", agent_api.OwnRun.as_view(), name="own_run"),
    path("runs/<str:run>/secrets", agent_api.OwnSecrets.as_view(), name="own_secrets"),
    path("runs/<str:run>/children", agent_api.OwnChildren.as_view(), name="own_children"),
    path("runs/<str:run>/end", agent_api.EndOfChild.as_view(), name="child_end"),
    path("runs/<str:run>/rendezvous", agent_api.Rendezvous.as_view(), name="run_rendezvous"),
]

pages = [
    path("w/<str:ws>/experiments", views.experiments, name="experiments"),
    path("w/<str:ws>/compute/<str:name>/runs", views.of_target, name="target_runs"),
    path("w/<str:ws>/new-run", views.new, name="run_new"),
    path(_PAGE, views.run, name="run"),
    path(f"{_PAGE}/cancel", views.cancel, name="run_cancel"),
    path(f"{_PAGE}/archive", views.archive, name="run_archive"),
    path(f"{_PAGE}/clone", views.clone, name="run_clone"),
    path(f"{_PAGE}/baseline", views.baseline, name="run_baseline"),
    path(f"{_PAGE}/rename", views.rename, name="run_rename"),
    path(f"{_PAGE}/again", views.submit_again, name="run_again"),
    path(f"{_PAGE}/reproduce", views.reproduce_run, name="run_reproduce"),
    path(f"{_PAGE}/<str:tab>", views.run, name="run_tab"),
]
