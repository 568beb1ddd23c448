from django.urls import path

from workspace.accounts import api

api_routes = [
    path("tokens", api.Tokens.as_view(), name="tokens"),
    path("tokens/<str:token_id>", api.TokenDetail.as_view(), name="token"),
    path("users", api.Users.as_view(), name="users"),
    path("users/<str:username>", api.UserDetail.as_view(), name="user"),
]
