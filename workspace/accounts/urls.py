from django.urls import path

from workspace.accounts import api, views

api_routes = [
    path("tokens", api.Tokens.as_view(), name="tokens"),
    path("tokens/<str:token_id>", api.TokenDetail.as_view(), name="token"),
    path("users", api.Users.as_view(), name="users"),
    path("users/<str:username>", api.UserDetail.as_view(), name="user"),
]

pages = [
    path("login", views.log_in, name="login"),
    path("logout", views.log_out, name="logout"),
    path("account", views.account, name="account"),
    path("account/profile", views.profile, name="account_profile"),
    path("account/password", views.password, name="account_password"),
    path("account/tokens", views.create_token, name="account_token_create"),
    path("account/tokens/<str:token_id>/revoke", views.revoke_token, name="account_token_revoke"),
]
