from django.urls import path

from runs.tables import api, heads, views

_API, _PAGES = "workspaces/<str:ws>", "w/<str:ws>"

api_routes = [
    path(f"{_API}/views", api.Views.as_view(), name="views"),
    path(f"{_API}/views/<int:view>", api.ViewDetail.as_view(), name="view"),
    path(f"{_API}/runs/bulk", api.Bulk.as_view(), name="runs_bulk"),
    path(f"{_API}/runs/matching", api.Matching.as_view(), name="runs_matching"),
    path(f"{_API}/runs/grouped", api.Grouped.as_view(), name="runs_grouped"),
    path(f"{_API}/runs/keys", api.Keys.as_view(), name="run_keys"),
    path(f"{_API}/runs/<str:run>/marks/<str:kind>", api.Marks.as_view(), name="run_mark"),
]

pages = [
    # Names of experiments may have slashes.
    path(f"{_PAGES}/experiments/<path:experiment>", views.runs, name="experiment"),
    path(f"{_PAGES}/runs", views.runs, name="runs"),
    path(f"{_PAGES}/runs/head", heads.menu, name="runs_head"),
    path(f"{_PAGES}/runs/narrow", heads.narrow, name="runs_narrow"),
    path(f"{_PAGES}/runs/export", views.download, name="runs_export"),
    path(f"{_PAGES}/views", views.save_view, name="view_save"),
    path(f"{_PAGES}/views/<int:view>", views.change_view, name="view_change"),
    path(f"{_PAGES}/views/<int:view>/delete", views.delete_view, name="view_delete"),
]
