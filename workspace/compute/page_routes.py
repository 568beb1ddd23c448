"""The addresses of the pages of compute."""

from django.urls import path

from workspace.compute import views

pages = [
    path("w/<str:ws>/compute", views.targets, name="compute"),
    path("w/<str:ws>/compute/<str:name>", views.target, name="target"),
    path("w/<str:ws>/compute/<str:name>/enrol", views.enrol, name="target_enrol"),
]
