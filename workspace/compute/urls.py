from django.urls import path

from workspace.compute import agent_api, api, views

_LIST = "workspaces/<str:ws>/compute"
_TARGET = f"{_LIST}/<str:name>"
_PAGE = "w/<str:ws>/compute"

api_routes = [
    path(_LIST, api.Targets.as_view(), name="compute"),
    path(_TARGET, api.TargetDetail.as_view(), name="target"),
    path(f"{_TARGET}/enrolments", api.Enrolments.as_view(), name="enrolments"),
    path(f"{_TARGET}/enrolments/<str:enrolment>", api.EnrolmentDetail.as_view(), name="enrolment"),
    path(f"{_TARGET}/nodes/<str:node>", api.NodeDetail.as_view(), name="node"),
]

agent_routes = [
    path("nodes/register", agent_api.Register.as_view(), name="node_register"),
]

pages = [
    path(_PAGE, views.targets, name="compute"),
    path(f"{_PAGE}/<str:name>", views.target, name="target"),
    path(f"{_PAGE}/<str:name>/enrol", views.enrol, name="target_enrol"),
]
