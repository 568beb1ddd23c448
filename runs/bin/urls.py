from django.urls import path

from runs.bin import api, views

_RUNS = "workspaces/<str:ws>/runs"
_BIN = "w/<str:ws>/bin"

# Before those of runs: `runs/delete` is no run.
api_routes = [
    path("workspaces/<str:ws>/bin", api.Bin.as_view(), name="bin"),
    path(f"{_RUNS}/delete", api.DeleteMany.as_view(), name="runs_delete"),
    path(f"{_RUNS}/archive", api.ArchiveMany.as_view(), name="runs_archive"),
    path(f"{_RUNS}/<str:run>/freed", api.Freed.as_view(), name="run_freed"),
    path(f"{_RUNS}/<str:run>/restore", api.Restore.as_view(), name="run_restore"),
    path(f"{_RUNS}/<str:run>/archive", api.Archive.as_view(), name="run_archive"),
]

pages = [
    path(_BIN, views.listing, name="bin"),
    path(f"{_BIN}/add", views.delete, name="bin_add"),
    path(f"{_BIN}/<str:run>/restore", views.restore, name="bin_restore"),
    path(f"{_BIN}/<str:run>/purge", views.purge, name="bin_purge"),
]
