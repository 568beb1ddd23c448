from django.urls import path

from registry.loggedmodels import api, views

_LIST = "workspaces/<str:ws>/logged-models"

api_routes = [
    path(_LIST, api.LoggedModels.as_view(), name="logged_models"),
    path(f"{_LIST}/<str:model>", api.LoggedModelDetail.as_view(), name="logged_model"),
    path(f"{_LIST}/<str:model>/files/<path:path>", api.LoggedModelFile.as_view(), name="logged_model_file"),
]

pages = [path("w/<str:ws>/logged-models/<str:model>", views.logged_model, name="logged_model")]
