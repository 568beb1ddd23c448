"""People and their personal access tokens."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from studio.kernel.actors import Actor


class User(AbstractUser):
    """Somebody who can log in. `is_superuser` is the site administrator, who runs the site and reads no data."""

    class Theme(models.TextChoices):
        SYSTEM = "system"
        LIGHT = "light"
        DARK = "dark"

    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    display_name = models.CharField(max_length=80, blank=True)
    language = models.CharField(max_length=8, blank=True)
    theme = models.CharField(max_length=8, choices=Theme.choices, default=Theme.SYSTEM)

    @property
    def shown_name(self) -> str:
        return self.display_name or self.username

    @property
    def initials(self) -> str:
        words = self.shown_name.replace(".", " ").replace("_", " ").split()
        return "".join(word[0] for word in words[:2]).upper()

    def as_actor(self, *, token_id: str = "", address: str = "") -> Actor:
        return Actor(
            kind="user",
            name=self.username,
            user_id=self.pk,
            is_admin=self.is_superuser,
            token_id=token_id,
            address=address,
        )


class Token(models.Model):
    """A personal access token: its hash stays, its text is shown once."""

    id = models.CharField(primary_key=True, max_length=26)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    secret_hash = models.CharField(max_length=64)
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField()
    last_used = models.DateTimeField(null=True)
    revoked = models.DateTimeField(null=True)
