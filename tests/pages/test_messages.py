"""Every text of the pages is in the catalogues, and said in Japanese."""

from studio.shell import messages


def test_the_catalogues_are_complete():
    assert messages.problems() == []


def test_a_new_text_is_noticed(monkeypatch):
    known = list(messages.sources())
    monkeypatch.setattr(messages, "sources", lambda: [*known, ("new.py", b"_('Nobody translated this yet')")])
    assert messages.problems() == [
        "en: missing: 'Nobody translated this yet'",
        "ja: missing: 'Nobody translated this yet'",
    ]


def test_a_text_without_its_translation_is_noticed(monkeypatch):
    held = messages.read("ja")
    held.get("Log in").string = ""
    monkeypatch.setattr(messages, "read", lambda language: held)
    assert "ja: untranslated: 'Log in'" in messages.problems()
