"""Requests with files, as httpx takes them."""

import base64

PNG = {"content-type": "image/png"}


def encode(text):
    return base64.b64encode(text.encode()).decode()


def as_json(**body):
    return {"json": body}


def as_file(data=b"good", *, headers=PNG, **query):
    return {"content": data, "headers": headers, "params": query}


def as_form(*files, **fields):
    return {"files": list(files), "data": fields}


def part(name="image", data=b"good", kind="image/png"):
    return name, ("a.png", data, kind)
