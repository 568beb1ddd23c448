"""The people of every test, and the doors they enter by.

olga owns the workspace `lab`, carl contributes, rio reads, mallory is a stranger with a workspace of
her own, ada is the site administrator and a member of nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from rest_framework.test import APIClient

from studio.kernel import events
from studio.kernel.actors import ANONYMOUS, Actor
from tests import quicker
from tests.kernel.asgi import DoorClient
from workspace.accounts.models import User
from workspace.models import Membership, Role, Workspace

quicker.install()

PASSWORD = "a long enough password"


@pytest.fixture(autouse=True)
def own_places(settings, tmp_path) -> Iterator[None]:
    """Blobs of one test are nobody else's; cheap password hashing, because no test is about it."""
    settings.BLOB_DIR = tmp_path / "blobs"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    yield
    events.client.cache_clear()


@dataclass
class People:
    olga: User
    carl: User
    rio: User
    mallory: User
    ada: User

    def actor(self, name: str | None) -> Actor:
        return ANONYMOUS if name is None else getattr(self, name).as_actor()


@pytest.fixture
def people(db) -> People:
    def person(name: str, **more: object) -> User:
        return User.objects.create_user(username=name, password=PASSWORD, display_name=name.title(), **more)

    return People(
        olga=person("olga"),
        carl=person("carl"),
        rio=person("rio"),
        mallory=person("mallory"),
        ada=person("ada", is_superuser=True),
    )


@pytest.fixture
def lab(people: People) -> Workspace:
    """The workspace of olga, carl and rio; mallory has `den`."""
    space = Workspace.objects.create(slug="lab", name="Lab", created_by=people.olga)
    for name, role in [("olga", Role.OWNER), ("carl", Role.CONTRIBUTOR), ("rio", Role.READER)]:
        Membership.objects.create(workspace=space, user=getattr(people, name), role=role)
    den = Workspace.objects.create(slug="den", name="Den", created_by=people.mallory)
    Membership.objects.create(workspace=den, user=people.mallory, role=Role.OWNER)
    return space


@pytest.fixture
def api(people: People) -> Callable[[str | None], APIClient]:
    """`api("olga").get("/api/v1/…")`: the JSON door with olga's session; `api(None)` is a visitor."""

    def enter(name: str | None) -> APIClient:
        client = DoorClient()
        if name:
            client.force_login(getattr(people, name))
        return client

    return enter


@pytest.fixture
def browser(people: People) -> Callable[[str | None], Client]:
    """`browser("rio").get("/w/lab/")`: the HTML door."""

    def enter(name: str | None) -> Client:
        client = Client()
        if name:
            client.force_login(getattr(people, name))
        return client

    return enter
