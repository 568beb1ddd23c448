"""Rows read by a statement that is written already are those of the ORM."""

from django.forms.models import model_to_dict
from django.utils import timezone

from runs.models import Experiment
from studio.kernel.db import read
from workspace.accounts.models import User


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
