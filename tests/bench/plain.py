"""The handler most tutorials show, written as they show it: one record after the other, for comparison only.

It loses what fails while it sleeps, sends twice what is delivered twice, and keeps no rate.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from boto3.dynamodb.types import TypeDeserializer

TRIES, PAUSE = 3, 1.0
read = TypeDeserializer().deserialize


def handler(
    event: Mapping[str, Any],
    url: str,
    token: str,
    put: Callable[[dict[str, Any]], object],
    delete: Callable[[str], object],
) -> int:
    """Send each new row, put it into history, delete it; give how many went."""
    sent = 0
    for record in event["Records"]:
        if record["eventName"] != "INSERT":
            continue
        row = {name: read(value) for name, value in record["dynamodb"]["NewImage"].items()}
        body = {
            "from": {"email": row["sender"].rpartition("<")[2].rstrip(">"), "name": ""},
            "to": row["to"],
            "subject": row["subject"],
            "encode": row["encoding"],
            "text_part": row["text"],
        }
        for _ in range(TRIES):
            answer = requests.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30)
            if answer.status_code in (200, 201):
                break
            time.sleep(PAUSE)
        else:
            continue
        put({**row, "delivery_id": str(answer.json()["delivery_id"]), "status": "SENT"})
        delete(row["id"])
        sent += 1
    return sent
