"""The pages: a form, and explanations to look at.

Everything that clients or models wrote is escaped, nothing is fetched, and no script runs.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from starlette.responses import HTMLResponse

from modelyard_runtime.media.heat_maps import ADDS, TAKES, enlarge, paint
from modelyard_runtime.tasks.attribution import (
    MAX_STEPS,
    AttributionSpec,
    Difference,
    ExplainedPicture,
    ExplainedText,
)

#: Shades of each colour: a style for every number would have to be allowed by the page's policy.
_SHADES = 10
#: Of a colour over white; letters on a stronger one are hard to read.
_STRONGEST = 0.65


def _shade(name: str, colour: tuple[int, int, int]) -> Iterator[str]:
    for number in range(1, _SHADES + 1):
        part = number / _SHADES * _STRONGEST
        red, green, blue = (round(255 - (255 - one) * part) for one in colour)
        yield f".{name}{number}{{background:rgb({red},{green},{blue})}}"


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;"
    "color:#1f2937;background:#fff}"
    "h1{font-size:1.4rem;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "td,th{padding:.15rem .8rem .15rem 0;text-align:left;border-bottom:1px solid #e5e7eb;"
    "overflow-wrap:anywhere}"
    "td.n,th.n{text-align:right}"
    ".text{font-size:1.3rem;line-height:2;white-space:pre-wrap;overflow-wrap:anywhere;"
    "border:1px solid #e5e7eb;border-radius:.4rem;padding:.6rem .8rem}"
    ".text span{border-radius:.2rem;padding:.1rem 0}"
    ".key span{padding:.1rem .5rem;border-radius:.2rem}"
    "figure{display:inline-block;margin:0 1rem 1rem 0}figcaption{color:#4b5563}"
    "img{max-width:100%;border:1px solid #e5e7eb}"
    "label{display:block;margin:.8rem 0}textarea{width:100%;box-sizing:border-box;font:inherit}"
    "input,button{font:inherit}details{margin:1rem 0}.note{color:#4b5563}"
    + "".join((*_shade("a", ADDS), *_shade("d", TAKES)))
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    # Not no-referrer: browsers would then send forms without their origin.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "vary": "accept",
}
_KEY = (
    '<p class="key"><span class="a8">adds to the score</span> '
    '<span class="d8">takes from it</span></p>'
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: characters `start` to `end`, and what its tokens add together."""

    start: int
    end: int
    attribution: float


def respond(page: str) -> HTMLResponse:
    """Return a page with the headers that bind browsers."""
    return HTMLResponse(page, headers=_HEADERS)


def render_form(model: str, spec: AttributionSpec) -> str:
    """Return the page that asks for a text or a picture."""
    if spec.media is None:
        field = '<label>Text<textarea name="text" rows="5" required></textarea></label>'
    else:
        kinds = escape(",".join(kind for kind in spec.media.types if kind.startswith("image/")))
        field = f'<label>Picture <input type="file" name="image" accept="{kinds}" required></label>'
    default = spec.request.model_fields["steps"].default
    return _render(
        f"Explain an answer of {model}",
        '<form method="post" enctype="multipart/form-data">'
        + field
        + '<label>Label <input name="label" maxlength="256"> '
        '<span class="note">empty: the best one</span></label>'
        f'<label>Steps <input name="steps" type="number" min="1" max="{MAX_STEPS}" '
        f'value="{default}"> <span class="note">more are more exact, and slower</span></label>'
        "<button>Explain</button></form>",
    )


def render_text(text: str, explained: ExplainedText) -> str:
    """Return the page of a text, each token in the colour of what it adds."""
    pieces = join_shares(explained)
    largest = max((abs(piece.attribution) for piece in pieces), default=0.0)
    marked, end = [], 0
    for piece in pieces:
        between, inside = text[end : piece.start], text[piece.start : piece.end]
        number = f"{piece.attribution:+.4f}"
        marked.append(
            f'{escape(between)}<span class="{choose_shade(piece.attribution, largest)}" '
            f'title="{number}">{escape(inside)}</span>'
        )
        end = piece.end
    rows = "".join(
        f"<tr><td>{escape(text[piece.start : piece.end])}</td>"
        f'<td class="n">{piece.start}</td><td class="n">{piece.attribution:+.4f}</td></tr>'
        for piece in pieces
    )
    return _render(
        f"Why {explained.difference.label}?",
        f'<p class="text">{"".join(marked)}{escape(text[end:])}</p>{_KEY}'
        + _describe(explained.difference, f"a text of nothing but {escape(explained.baseline)}")
        + '<details open><summary>All parts</summary><table><tr><th>Part</th><th class="n">From '
        f'character</th><th class="n">Adds</th></tr>{rows}</table></details>',
    )


def render_picture(explained: ExplainedPicture) -> str:
    """Return the page of a picture, with a heat map over it."""
    pictures = (
        ("What the model sees", enlarge(explained.seen)),
        ("What its parts add", paint(explained.seen, explained.grid)),
    )
    figures = "".join(
        f'<figure><img alt="{title}" src="data:image/png;base64,'
        f'{base64.b64encode(file).decode()}"><figcaption>{title}</figcaption></figure>'
        for title, file in pictures
    )
    difference = explained.difference
    return _render(
        f"Why {difference.label}?",
        figures + _KEY + _describe(difference, "a picture of one colour"),
    )


def join_shares(explained: ExplainedText) -> list[Piece]:
    """Join tokens that share characters: of some letters a token is only a part."""
    pieces: list[Piece] = []
    for share in explained.shares:
        if pieces and share.start < pieces[-1].end:
            last = pieces.pop()
            end = max(last.end, share.end)
            pieces.append(Piece(last.start, end, last.attribution + share.attribution))
        elif share.end > share.start:
            pieces.append(Piece(share.start, share.end, share.attribution))
    return pieces


def choose_shade(attribution: float, largest: float) -> str:
    """Return the class of a colour; the strongest is that of the largest attribution."""
    number = round(abs(attribution) / largest * _SHADES) if largest else 0
    if not number:
        return ""
    return f"{'a' if attribution > 0 else 'd'}{number}"


def _describe(difference: Difference, baseline: str) -> str:
    rows: Sequence[tuple[str, str]] = (
        (f"Score of {escape(difference.label)}", f"{difference.score:.4f}"),
        (f"Score of {baseline}", f"{difference.baseline_score:.4f}"),
        ("What all parts add together", f"{difference.total:+.4f}"),
        ("What it misses of their difference", f"{difference.delta:+.4f}"),
        ("Steps", str(difference.steps)),
    )
    cells = "".join(f'<tr><th>{name}</th><td class="n">{value}</td></tr>' for name, value in rows)
    return (
        f"<table>{cells}</table>"
        '<p class="note">By integrated gradients. The less the sum misses, the more it can be '
        'trusted; more steps help. <a href="?">Explain another</a></p>'
    )


def _render(title: str, body: str) -> str:
    shown = escape(title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{shown}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{shown}</h1>{body}</body></html>"
    )
