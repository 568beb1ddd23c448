"""Tokens of the caller, and accounts for site administrators."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from studio.kernel.api import actor_of, parse
from workspace.accounts import forms, queries, services


class TokenIn(serializers.Serializer):
    name = serializers.CharField(max_length=forms.MAX_TOKEN_NAME)
    days = serializers.IntegerField(default=forms.TOKEN_DAYS)


class TokenOut(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    created = serializers.DateTimeField()
    expires = serializers.DateTimeField()
    last_used = serializers.DateTimeField()


class UserIn(serializers.Serializer):
    username = serializers.CharField()
    password = serializers.CharField(trim_whitespace=False)
    display_name = serializers.CharField(default="", allow_blank=True)
    is_admin = serializers.BooleanField(default=False)


class UserPatch(serializers.Serializer):
    active = serializers.BooleanField()


class UserOut(serializers.Serializer):
    username = serializers.CharField()
    display_name = serializers.CharField()
    is_admin = serializers.BooleanField(source="is_superuser")
    is_active = serializers.BooleanField()
    last_login = serializers.DateTimeField()


class Tokens(APIView):
    def get(self, request: Request) -> Response:
        mine = queries.list_tokens(actor=actor_of(request))
        return Response({"tokens": TokenOut(mine, many=True).data})

    def post(self, request: Request) -> Response:
        # Not `once`: it would keep the answer, and with it the token, for a day.
        token, plain = services.create_token(actor=actor_of(request), **parse(TokenIn, request.data))
        return Response({**TokenOut(token).data, "token": plain}, status=201, headers={"Cache-Control": "no-store"})


class TokenDetail(APIView):
    def delete(self, request: Request, token_id: str) -> Response:
        services.revoke_token(token_id, actor=actor_of(request))
        return Response(status=204)


class Users(APIView):
    def get(self, request: Request) -> Response:
        return Response({"users": UserOut(queries.list_users(actor=actor_of(request)), many=True).data})

    def post(self, request: Request) -> Response:
        # Not `once`: the key's row would keep a fingerprint of the password.
        user = services.create_user(actor=actor_of(request), **parse(UserIn, request.data))
        return Response(UserOut(user).data, status=201)


class UserDetail(APIView):
    def patch(self, request: Request, username: str) -> Response:
        change = services.activate_user if parse(UserPatch, request.data)["active"] else services.deactivate_user
        change(username, actor=actor_of(request))
        return Response(UserOut(queries.get_user(username, actor=actor_of(request))).data)
