from django.urls import path

from workspace.compute import agent_api, api, views

_LIST = "workspaces/<str:ws>/compute"
_TARGET = f"{_LIST}/<str:name>"
_PAGES = "w/<str:ws>/compute"
_PAGE = f"{_PAGES}/<str:name>"

api_routes = [
    path(_LIST, api.Targets.as_view(), name="compute"),
    path(_TARGET, api.TargetDetail.as_view(), name="target"),
    path("workspaces/<str:ws>/compute-sizes", api.Sizes.as_view(), name="compute_sizes"),
    path(f"{_TARGET}/happenings", api.Happenings.as_view(), name="target_happenings"),
    path(f"{_TARGET}/start", api.Start.as_view(), name="instance_start"),
    path(f"{_TARGET}/stop", api.Stop.as_view(), name="instance_stop"),
    path(f"{_TARGET}/restart", api.Restart.as_view(), name="instance_restart"),
    path(f"{_TARGET}/keep", api.Keep.as_view(), name="instance_keep"),
    path(f"{_TARGET}/enrolments", api.Enrolments.as_view(), name="enrolments"),
    path(f"{_TARGET}/enrolments/<str:enrolment>", api.EnrolmentDetail.as_view(), name="enrolment"),
    path(f"{_TARGET}/nodes/<str:node>", api.NodeDetail.as_view(), name="node"),
    path(f"{_TARGET}/nodes/<str:node>/environments", api.NodeShelf.as_view(), name="node_shelf"),
    path(f"{_TARGET}/nodes/<str:node>/environments/<str:digest>", api.NodeShelfItem.as_view(), name="node_evict"),
]

agent_routes = [
    path("nodes/drain", agent_api.Drain.as_view(), name="own_drain"),
    path("nodes/register", agent_api.Register.as_view(), name="node_register"),
]

# The tabs Runs and Queue are of the rooms that know runs.
pages = [
    path(_PAGES, views.targets, name="compute"),
    path("w/<str:ws>/compute-new/<str:kind>", views.new, name="target_new"),
    path(_PAGE, views.target, name="target"),
    path(f"{_PAGE}/nodes", views.nodes, name="target_nodes"),
    path(f"{_PAGE}/nodes/<str:node>", views.node, name="node"),
    path(f"{_PAGE}/nodes/<str:node>/drain", views.drain, name="node_drain"),
    path(f"{_PAGE}/nodes/<str:node>/evict", views.evict, name="node_evict"),
    path(f"{_PAGE}/nodes/<str:node>/remove", views.remove, name="node_remove"),
    path(f"{_PAGE}/details", views.details, name="target_details"),
    path(f"{_PAGE}/change", views.change, name="target_change"),
    path(f"{_PAGE}/delete", views.delete, name="target_delete"),
    path(f"{_PAGE}/enrol", views.enrol, name="target_enrol"),
    path(f"{_PAGE}/do/<str:verb>", views.instance, name="instance_verb"),
]
