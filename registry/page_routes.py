"""The addresses of the pages of models."""

from django.urls import path

from registry import views

pages = [
    path("w/<str:ws>/models", views.models, name="models"),
    path("w/<str:ws>/models/register", views.register, name="model_register"),
    path("w/<str:ws>/models/<str:name>", views.model, name="model"),
    path("w/<str:ws>/models/<str:name>/delete", views.delete, name="model_delete"),
]
