"""A repeat of a POST that comes while the first one is still at work gets the first one's answer."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from registry.endpoints import services
from registry.endpoints.models import Endpoint

PATH = "/api/v1/workspaces/lab/endpoints"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("name", "status", "code"), [("scores", 201, None), ("other", 422, "key_reused")])
def test_the_twin_that_finds_its_work_done(people, lab, monkeypatch, name, status, code):
    real = services.create_endpoint

    def post(body: dict[str, str]) -> Any:
        client = APIClient()
        client.force_login(people.carl)
        try:
            return client.post(PATH, body, format="json", headers={"Idempotency-Key": "one"})
        finally:
            connections.close_all()

    def late(slug: str, **asked: Any) -> Endpoint:
        """The twin asked whether the key is known before the first one committed, and goes on after it."""
        monkeypatch.setattr(services, "create_endpoint", real)
        with ThreadPoolExecutor(1) as pool:
            first.append(pool.submit(post, {"name": "scores"}).result())
        return real(slug, **{**asked, "name": "scores"})

    first: list[Any] = []
    monkeypatch.setattr(services, "create_endpoint", late)
    answer = post({"name": name})
    assert first[0].status_code == 201
    assert answer.status_code == status
    if code:
        assert answer.json()["error"]["code"] == code
    else:
        assert answer.json() == first[0].json()
    assert Endpoint.objects.count() == 1
