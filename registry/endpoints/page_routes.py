"""The addresses of the pages of endpoints."""

from django.urls import path

from registry.endpoints import views

pages = [
    path("w/<str:ws>/endpoints", views.endpoints, name="endpoints"),
    path("w/<str:ws>/endpoints/deploy", views.deploy, name="endpoint_deploy"),
    path("w/<str:ws>/endpoints/<str:name>", views.endpoint, name="endpoint"),
    path("w/<str:ws>/endpoints/<str:name>/keys", views.regenerate, name="endpoint_regenerate"),
    path("w/<str:ws>/endpoints/<str:name>/delete", views.delete, name="endpoint_delete"),
]
