"""The client that a studio hands to other machines."""

import io
import zipfile

import pytest

from studio.shell import client


@pytest.fixture
def built(monkeypatch, tmp_path) -> str:
    name = "zaffre-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(tmp_path / name, "w") as made:
        made.writestr("zaffre/__init__.py", "")
    (tmp_path / "secret.txt").write_text("not for you")
    monkeypatch.setattr(client, "FOLDER", tmp_path)
    return name


def test_pages_say_how_to_install_what_the_studio_hands_out(built, browser, lab):
    page = browser("carl").get("/w/lab/runs").content.decode()
    assert f"pip install http://testserver/client/{built}" in page
    got = browser(None).get(f"/client/{built}")
    assert got.status_code == 200
    assert zipfile.is_zipfile(io.BytesIO(got.content))


@pytest.mark.parametrize("name", ["secret.txt", "..", "zaffre-9.9.9-py3-none-any.whl"])
def test_nothing_else_is_handed_out(built, browser, name):
    assert browser(None).get(f"/client/{name}").status_code == 404


def test_without_a_wheel_the_page_names_the_copy_beside_the_studio(monkeypatch, tmp_path):
    monkeypatch.setattr(client, "FOLDER", tmp_path)
    assert client.install_command("http://x", "agent") == "pip install './client[agent]'"
