"""What each example is asked, and what it must answer."""

import json
import math
import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Question:
    """A request as any client would make it, and what it must be answered.

    `body` is JSON, or the file of the example to send as it is. `read` finds in the answer the text
    that `expected`, a regular expression, must match as a whole.
    """

    path: str
    body: Mapping[str, Any] | str
    read: Callable[[Any], str]
    expected: str


def read_field(name: str) -> Callable[[Any], str]:
    """Return what reads one field of the answer."""
    return lambda answer: str(answer[name])


def read_completion(answer: Any) -> str:
    """Return the text of a completion, in OpenAI's protocol."""
    return str(answer["choices"][0]["text"]).strip()


def read_nearest(answer: Any) -> str:
    """Return which of the later texts is nearest to the first, by the cosine of the vectors."""
    first, *others = (item["embedding"] for item in answer["data"])
    nearness = [
        sum(x * y for x, y in zip(first, other, strict=True))
        / (math.hypot(*first) * math.hypot(*other))
        for other in others
    ]
    return str(nearness.index(max(nearness)) + 1)


def read_entities(answer: Any) -> str:
    """Return what was found in a text, each with its group."""
    return ", ".join(f"{found['entity_group']} {found['word']}" for found in answer["entities"])


def read_labels(answer: Any) -> str:
    """Return which objects were found, by name."""
    return " ".join(sorted(found["label"] for found in answer["objects"]))


def read_first(answer: Any) -> str:
    """Return the document that a reranker put first."""
    return str(answer["results"][0]["document"]["text"])


#: SmolLM2 is shown how it is done: it is too small to be told.
PASSAGE = (
    "Angela moved to Berlin when she was nine. She works there as a baker, and her brother Tom is "
    "a nurse in Hamburg."
)
TRANSLATED = (
    "English: Good morning.\nSpanish: Buenos días.\n\n"
    "English: Thank you very much.\nSpanish: Muchas gracias.\n\n"
)


def complete(prompt: str, expected: str, **settings: Any) -> Question:
    """Return a completion by SmolLM2, always the same for the same prompt."""
    return Question(
        path="/v1/completions",
        body={
            "model": "smollm2",
            "prompt": prompt,
            "max_tokens": 12,
            "temperature": 0,
            **settings,
        },
        read=read_completion,
        expected=expected,
    )


#: The five services first.
QUESTIONS: dict[str, tuple[Question, ...]] = {
    "fill-mask": (
        Question(
            path="/fill-mask",
            body={"text": "In Germany people speak [MASK]."},
            read=read_field("token"),
            expected="german",
        ),
    ),
    "keras-classifier": (
        Question(
            path="/predict",
            body={"features": [96.0, 6.5, 7.4, 95.0, 18_000.0]},
            read=read_field("label"),
            expected="fails",
        ),
    ),
    "translator": (
        Question(
            path="/translate",
            body={"text": "two hundred thirty four"},
            read=read_field("text"),
            expected="doscientos treinta y cuatro",
        ),
    ),
    "sentiment": (
        Question(
            path="/predict",
            body={"text": "The staff were friendly and everything worked at once."},
            read=read_field("label"),
            expected="positive",
        ),
    ),
    "smollm2": (
        complete(
            "The capital of France is",
            r"(?s).*Paris.*",
            top_p=0.9,
            frequency_penalty=0.2,
            presence_penalty=0.1,
        ),
        # Question answering by prompt.
        complete(
            f"{PASSAGE}\n\nQuestion: What is Tom's job?\nAnswer:", r".*\bnurse\b.*", stop="\n"
        ),
        # Translation by prompt.
        complete(f"{TRANSLATED}English: Good night.\nSpanish:", r"Buenas noches\.?", stop="\n"),
    ),
    "shapes": (
        Question(path="/predict", body="sample.png", read=read_field("label"), expected="star"),
    ),
    "whisper": (
        Question(
            path="/predict",
            body="sample.flac",
            read=read_field("text"),
            expected=re.escape((HERE / "whisper" / "sample.txt").read_text().strip()),
        ),
    ),
    "names": (
        Question(
            path="/token-classification",
            body={"text": "Angela moved from Berlin to New Orleans with her brother Tom."},
            read=read_entities,
            expected="PER angela, LOC berlin, LOC new orleans, PER tom",
        ),
    ),
    "answers": tuple(
        Question(
            path="/question-answering",
            body={
                "question": question,
                "context": "Angela moved to Berlin in 1998 and works there as a baker. Her brother "
                "Tom is a nurse in Hamburg and has three dogs.",
            },
            read=read_field("answer"),
            expected=answer,
        )
        for question, answer in (
            ("When did Angela move to Berlin?", "1998"),
            ("Where does Tom work?", "Hamburg"),
        )
    ),
    "headlines": (
        Question(
            path="/summarize",
            body={
                "text": "On Monday a lorry overturned in Oakham. Until Friday nobody may use the "
                "bridge. Nobody was hurt."
            },
            read=read_field("text"),
            expected="Oakham bridge closed until Friday",
        ),
    ),
    "scenes": (
        Question(
            path="/predict", body="sample.png", read=read_labels, expected="circle square triangle"
        ),
    ),
    "reranker": (
        Question(
            path="/rerank",
            body={
                "query": "At what time does the market open?",
                "documents": [
                    "Fresh fish is sold at the stall by the fountain.",
                    "The stalls are set up from seven in the morning.",
                    "You can pay with coins only.",
                    "Park your car behind the church.",
                ],
            },
            read=read_first,
            expected=r"The stalls are set up from seven in the morning\.",
        ),
    ),
    "topics": (
        # None of these labels was in its training.
        Question(
            path="/zero-shot-classification",
            body={
                "text": "Our flight was cancelled because of ice on the runway.",
                "labels": ["taxes", "aviation", "tennis", "birds", "housing"],
            },
            read=read_field("label"),
            expected="aviation",
        ),
    ),
    "minilm": (
        Question(
            path="/v1/embeddings",
            body={
                "model": "minilm",
                "input": [
                    "A cat sits on the mat.",
                    "A kitten rests on a rug.",
                    "The stock market fell sharply today.",
                ],
            },
            read=read_nearest,
            expected="1",
        ),
    ),
}


def ask(name: str, url: str, *, called: str = "", key: str = "") -> str:
    """Ask an example that is served at that address; returns the texts that were looked for.

    `called` is the model's name, where it is not the example's; `key` an API key, where one is
    needed.

    Raises:
        ValueError: an answer is another one, or none; with what came.
    """
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(timeout=TIMEOUT_SECONDS, headers=headers, trust_env=False) as client:
        found = []
        for question in QUESTIONS[name]:
            content, media_type = encode_body(name, question, called=called)
            response = client.post(
                url + question.path, content=content, headers={"content-type": media_type}
            )
            found.append(check(question, response))
    return " | ".join(found)


def encode_body(name: str, question: Question, *, called: str = "") -> tuple[bytes, str]:
    """Return a request's bytes, and their media type."""
    if isinstance(question.body, str):
        media_type = mimetypes.guess_type(question.body)[0] or "audio/flac"
        return (HERE / name / question.body).read_bytes(), media_type
    body = (
        {**question.body, "model": called} if called and "model" in question.body else question.body
    )
    return json.dumps(body).encode(), "application/json"


def check(question: Question, response: httpx.Response) -> str:
    """Return the text that was looked for in an answer.

    Raises:
        ValueError: it is another one, or there is none; with what came.
    """
    if response.is_error:
        raise ValueError(f"POST {question.path}: {response.status_code} {response.text}")
    found = question.read(response.json())
    if not re.fullmatch(question.expected, found):
        raise ValueError(f"POST {question.path}: {found!r}, expected {question.expected!r}")
    return found
