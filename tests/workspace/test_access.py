"""Who may do what in a workspace: one row for each action, one column for each person."""

import pytest

from workspace.accounts.models import Token
from workspace.models import Membership, Role

LAB = "/api/v1/workspaces/lab"
SPEC = {"kind": "pip", "requirements": ["pandas"]}

#: (door, body), then the status for olga, carl, rio, lee (labeler), mallory, ada and a visitor.
WHO = [
    # workspace
    ("GET", "", None, (200, 200, 200, 200, 404, 200, 401)),
    ("PATCH", "", {"name": "New"}, (200, 403, 403, 403, 404, 403, 401)),
    ("DELETE", "", None, (204, 403, 403, 403, 404, 403, 401)),
    # people
    ("GET", "/members", None, (200, 200, 200, 403, 404, 200, 401)),
    ("POST", "/members", {"username": "mallory", "role": "reader"}, (201, 403, 403, 403, 404, 403, 401)),
    ("PATCH", "/members/rio", {"role": "contributor"}, (200, 403, 403, 403, 404, 403, 401)),
    ("DELETE", "/members/rio", None, (204, 403, 403, 403, 404, 403, 401)),
    ("GET", "/audit", None, (200, 403, 403, 403, 404, 200, 401)),
    # data
    ("GET", "/datasets", None, (200, 200, 200, 403, 404, 403, 401)),
    ("GET", "/datasets/iris", None, (200, 200, 200, 403, 404, 403, 401)),
    ("GET", "/datasets/iris/versions/1", None, (200, 200, 200, 403, 404, 403, 401)),
    ("GET", "/datasets/iris/versions/1/preview", None, (200, 200, 200, 403, 404, 403, 401)),
    ("GET", "/datasets/iris/versions/1/files/a.csv", None, (200, 200, 200, 403, 404, 403, 401)),
    ("POST", "/datasets", {"name": "new", "files": "FILES"}, (201, 201, 403, 403, 404, 403, 401)),
    ("DELETE", "/datasets/iris", None, (204, 204, 403, 403, 404, 403, 401)),
    # secrets
    ("GET", "/secrets", None, (200, 200, 403, 403, 404, 403, 401)),
    ("GET", "/secrets/db", None, (200, 200, 403, 403, 404, 403, 401)),
    ("GET", "/secrets/db/value", None, (200, 403, 403, 403, 404, 403, 401)),
    ("POST", "/secrets", {"name": "new", "value": "long enough"}, (201, 201, 403, 403, 404, 403, 401)),
    ("PATCH", "/secrets/db", {"description": "of the lab"}, (200, 200, 403, 403, 404, 403, 401)),
    ("DELETE", "/secrets/db", None, (204, 403, 403, 403, 404, 403, 401)),
    ("POST", "/secrets/gone/restore", {}, (200, 403, 403, 403, 404, 403, 401)),
    # environments
    ("GET", "/environments", None, (200, 200, 200, 403, 404, 403, 401)),
    ("GET", "/environments/torch", None, (200, 200, 200, 403, 404, 403, 401)),
    ("GET", "/environments/torch/versions/1", None, (200, 200, 200, 403, 404, 403, 401)),
    ("POST", "/environments", {"name": "new", "spec": SPEC}, (201, 201, 403, 403, 404, 403, 401)),
]
PEOPLE = ("olga", "carl", "rio", "lee", "mallory", "ada", None)
CELLS = [
    pytest.param(method, path, body, person, status, id=f"{method} {path or '/'} by {person}")
    for method, path, body, statuses in WHO
    for person, status in zip(PEOPLE, statuses, strict=True)
]


@pytest.fixture
def furnished(lab, people, upload, api):
    """The lab with a labeler, a dataset, an environment and two secrets, one of them deleted."""
    people.lee = type(people.olga).objects.create_user(username="lee", password="a long enough password")
    Membership.objects.create(workspace=lab, user=people.lee, role=Role.LABELER)
    files = upload({"a.csv": b"a,b\n1,2\n"})
    olga = api("olga")
    assert olga.post(f"{LAB}/datasets", {"name": "iris", "files": files}, format="json").status_code == 201
    assert olga.post(f"{LAB}/environments", {"name": "torch", "spec": SPEC}, format="json").status_code == 201
    for name in ("db", "gone"):
        assert olga.post(f"{LAB}/secrets", {"name": name, "value": "of the lab"}, format="json").status_code == 201
    assert olga.delete(f"{LAB}/secrets/gone").status_code == 204
    return files


@pytest.mark.parametrize(("method", "path", "body", "person", "status"), CELLS)
def test_the_matrix(api, furnished, method, path, body, person, status):
    if body and body.get("files") == "FILES":
        body = {**body, "files": furnished}
    answer = api(person).generic(method, LAB + path, b"" if body is None else _json(body), "application/json")
    assert answer.status_code == status, getattr(answer, "content", b"")[:300]
    if status >= 400:
        assert answer["Content-Type"] == "application/json"
        assert answer.json()["error"]["message"]


def _json(body: dict[str, object]) -> bytes:
    import json

    return json.dumps(body).encode()


@pytest.mark.parametrize(("method", "path", "body", "statuses"), WHO)
def test_a_stranger_cannot_tell_a_hidden_workspace_from_a_missing_one(api, furnished, method, path, body, statuses):
    mallory = api("mallory")

    def ask(slug: str) -> tuple[int, bytes]:
        sent = {**body, "files": furnished} if body and "files" in body else body or {}
        answer = mallory.generic(method, f"/api/v1/workspaces/{slug}{path}", _json(sent), "application/json")
        return answer.status_code, answer.content.replace(slug.encode(), b"<slug>")

    assert ask("lab") == ask("nix") == (404, ask("nix")[1])


def test_a_removed_member_is_a_stranger_at_once(api, furnished):
    carl = api("carl")
    assert carl.get(LAB).status_code == 200
    assert api("olga").delete(f"{LAB}/members/carl").status_code == 204
    assert carl.get(LAB).status_code == 404


def test_an_address_that_does_not_exist_answers_in_json(api, lab):
    answer = api("olga").get("/api/v1/workspaces/lab/nothing-here")
    assert answer.status_code == 404


def test_the_session_needs_the_csrf_token_and_a_bearer_token_does_not(people, lab):
    from rest_framework.test import APIClient

    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(people.olga)
    assert browser.patch(LAB, {"name": "Forged"}, format="json").status_code == 403
    plain = _pat(people.olga)
    script = APIClient(enforce_csrf_checks=True, HTTP_AUTHORIZATION=f"Bearer {plain}")
    assert script.patch(LAB, {"name": "Meant"}, format="json").status_code == 200
    assert Token.objects.get().last_used is not None


def _pat(user) -> str:
    from workspace.accounts.services import create_token

    return create_token(actor=user.as_actor(), name="test", days=1)[1]
