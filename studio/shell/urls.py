from django.urls import path

from studio.shell import views

pages = [
    path("", views.home, name="home"),
    path("w/<str:ws>/", views.workspace_home, name="workspace_home"),
    path("w/<str:ws>/find", views.find, name="find"),
]
