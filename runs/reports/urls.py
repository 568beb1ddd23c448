from django.urls import path

from runs.reports import api, views

_API = "workspaces/<str:ws>/reports"
_PAGE = "w/<str:ws>/reports"

api_routes = [
    path(_API, api.Reports.as_view(), name="reports"),
    path(f"{_API}/<str:report>", api.ReportDetail.as_view(), name="report"),
]

pages = [
    path(_PAGE, views.reports, name="reports"),
    path(f"{_PAGE}/new", views.create, name="report_create"),
    path(f"{_PAGE}/<str:report>", views.report, name="report"),
    path(f"{_PAGE}/<str:report>/edit", views.edit, name="report_edit"),
    path(f"{_PAGE}/<str:report>/delete", views.delete, name="report_delete"),
]
