"""What can be told, how it is signed, and when it is tried again. Values in, values out.

Names, bodies and headers are those of MLflow's webhooks, so that receivers written for them work.
"""

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Any

SIGNATURE_HEADER = "X-MLflow-Signature"
TIMESTAMP_HEADER = "X-MLflow-Timestamp"
DELIVERY_HEADER = "X-MLflow-Delivery-Id"

#: Each event, with what its message holds, as a test of the receiver sends it.
EVENTS: dict[str, dict[str, Any]] = {
    "registered_model.created": {"name": "example", "tags": {"team": "vision"}, "description": "An example."},
    "model_version.created": {
        "name": "example",
        "version": "1",
        "source": "runs:/01J0000000000000000000RUN0/model",
        "run_id": "01J0000000000000000000RUN0",
        "tags": {"team": "vision"},
        "description": "An example.",
    },
    "model_version_tag.set": {"name": "example", "version": "1", "key": "team", "value": "vision"},
    "model_version_tag.deleted": {"name": "example", "version": "1", "key": "team"},
    "model_version_alias.created": {"name": "example", "alias": "champion", "version": "1"},
    "model_version_alias.deleted": {"name": "example", "alias": "champion"},
}

#: Pauses after a try that failed; after the last one it is given up, five hours and a half after the first.
PAUSES = [timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600, 14_400)]


def sign(secret: str, *, delivery: str, moment: str, body: str) -> str:
    """The signature of a message: HMAC-SHA256 over its id, its second and its body, as `v1,<base64>`."""
    signed = f"{delivery}.{moment}.{body}".encode()
    return "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()


def is_taken(status: int) -> bool:
    return 200 <= status < 300


def is_final(status: int) -> bool:
    """Whether the same message would be refused again: it was wrong for the receiver, not too much or too early."""
    return 300 <= status < 500 and status not in {408, 425, 429}
