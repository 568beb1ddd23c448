from django.urls import path

from studio.console import views

pages = [
    path("console/", views.console, name="console"),
    path("console/users", views.create_user, name="console_create_user"),
    path("console/users/<str:username>", views.switch_user, name="console_switch_user"),
]
