"""The addresses of the pages of experiments and runs."""

from django.urls import path

from runs import views

_RUN = "w/<str:ws>/runs/<str:run>"

pages = [
    path("w/<str:ws>/experiments", views.experiments, name="experiments"),
    path("w/<str:ws>/experiments/<str:experiment>", views.runs, name="experiment"),
    path("w/<str:ws>/runs", views.runs, name="runs"),
    path(_RUN, views.run, name="run"),
    path(f"{_RUN}/cancel", views.cancel, name="run_cancel"),
    path(f"{_RUN}/delete", views.delete, name="run_delete"),
    path(f"{_RUN}/again", views.submit_again, name="run_again"),
    path(f"{_RUN}/<str:tab>", views.run, name="run_tab"),
]
