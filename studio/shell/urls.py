from django.urls import path

from studio.shell import client, views

pages = [
    path("", views.home, name="home"),
    path("client/<str:name>", client.wheel, name="client_wheel"),
    path("w/<str:ws>/", views.workspace_home, name="workspace_home"),
    path("w/<str:ws>/find", views.find, name="find"),
]
