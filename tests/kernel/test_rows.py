"""Rows that are read and written by statements made once are the rows that the ORM reads and writes."""

import pytest
from django.db import IntegrityError, transaction
from django.forms.models import model_to_dict
from django.utils import timezone

from runs.models import Experiment
from studio.kernel.models import IdempotencyKey, Outbox
from studio.kernel.rows import Rows, change, insert, read
from workspace.accounts.models import User
from workspace.audit.models import Entry
from workspace.models import Membership, Workspace

pytestmark = pytest.mark.django_db

MEMBERS = Rows(
    """
    SELECT {columns}, upper(member.role) FROM workspace_workspace workspace
    LEFT JOIN workspace_membership member ON member.workspace_id = workspace.id AND member.user_id = %(user)s
    LEFT JOIN accounts_user person ON person.id = member.user_id
    WHERE workspace.slug = %(slug)s
    """,
    {"workspace": (Workspace, ("slug",)), "member": (Membership, ()), "person": (User, ("username",))},
)


def test_a_joined_row_is_made_of_each_table(people, lab):
    ((workspace, member, person, told),) = MEMBERS.ask(slug="lab", user=people.carl.pk)
    assert (workspace, person) == (lab, people.carl)
    assert member == Membership.objects.get(workspace=lab, user=people.carl)
    assert told == member.role.upper()


def test_what_was_not_read_is_asked_for_and_nothing_is_made_of_no_row(people, lab):
    ((workspace, member, person, told),) = MEMBERS.ask(slug="lab", user=None)
    assert (member, person, told) == (None, None, None)
    assert "name" in workspace.get_deferred_fields()
    assert workspace.name == lab.name


def test_a_column_that_is_none_is_refused():
    wrong = Rows("SELECT {columns} FROM accounts_user one", {"one": (User, ("nickname",))})
    with pytest.raises(AssertionError, match="nickname"):
        wrong.ask()


def test_an_inserted_row_is_what_the_orm_would_have_written(lab):
    facts = {"a": [1, None, "é % 'x'"], "b": {"c": 1.5}}
    ours = Entry(workspace=lab, workspace_slug="lab", actor_kind="user", actor_name="%s", action="x.y", fields=facts)
    insert(ours)
    theirs = Entry.objects.create(
        workspace=lab, workspace_slug="lab", actor_kind="user", actor_name="%s", action="x.y", fields=facts
    )
    written, expected = (Entry.objects.filter(pk=one.pk).values().get() for one in (ours, theirs))
    assert written.pop("id") < expected.pop("id")
    assert written.pop("at") <= expected.pop("at")
    assert written == expected
    assert not ours._state.adding


def test_a_row_that_is_there_already_is_refused():
    told = {"owner": "user:1", "key": "k", "fingerprint": "f", "status": 201, "body": {}}
    insert(IdempotencyKey(**told))
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(IdempotencyKey(**told))
    assert IdempotencyKey.objects.count() == 1


def test_fields_are_set_by_values_and_by_expressions():
    row = Outbox(task="a", args=[1])
    insert(row, created="statement_timestamp() - interval '1 day'")
    assert change(Outbox, row.pk, {"task": "b", "args": ["%s", None]}, sent="created + interval '2 days'")
    found = Outbox.objects.get(pk=row.pk)
    assert (found.task, found.args, found.pool_id) == ("b", ["%s", None], None)
    assert (found.sent - found.created).days == 2
    assert not change(Outbox, row.pk + 1, {"task": "c"})


def test_rows_are_those_of_the_orm(lab):
    made = Experiment.objects.create(workspace=lab, name="digits", tags={"a": [1, None]}, archived=timezone.now())
    Experiment.objects.create(workspace=lab, name="others")
    [found] = read(Experiment, "workspace_id = %(lab)s AND name = %(name)s", {"lab": lab.pk, "name": "digits"})
    fields = [field.attname for field in Experiment._meta.concrete_fields]
    asked = Experiment.objects.get(pk=made.pk)
    assert [getattr(found, name) for name in fields] == [getattr(asked, name) for name in fields]
    assert found == made and found.workspace == lab
    found.name = "digits again"
    found.save(update_fields=["name"])
    assert Experiment.objects.filter(name="digits again").count() == 1


def test_what_is_asked_besides_is_an_attribute(lab, people):
    found = read(User, "username < %(most)s ORDER BY username", {"most": "p"}, length="length(username)")
    assert [(one.username, one.length) for one in found] == [
        (one.username, len(one.username)) for one in User.objects.filter(username__lt="p").order_by("username")
    ]
    assert model_to_dict(found[0]) == model_to_dict(User.objects.get(pk=found[0].pk))
    assert read(User, "username = %(name)s", {"name": "nobody"}) == []
