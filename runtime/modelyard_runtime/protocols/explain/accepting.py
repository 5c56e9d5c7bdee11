"""Whether a client would rather have a page than JSON. Pure."""

_HTML = ("text/html", "text/*", "*/*")
_JSON = ("application/json", "application/*", "*/*")


def prefers_page(accept: str) -> bool:
    """Read an Accept header (RFC 9110, section 12.5.1): browsers name HTML, other clients do not.

    What is equally welcome is answered by JSON.
    """
    weights: dict[str, float] = {}
    for one in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in one.split(";"))
        weights[kind] = _read_weight(parameters)
    return _weigh(weights, _HTML) > _weigh(weights, _JSON)


def _read_weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _weigh(weights: dict[str, float], kinds: tuple[str, ...]) -> float:
    """Return the weight of the most specific kind that is named."""
    return next((weights[kind] for kind in kinds if kind in weights), 0.0)
