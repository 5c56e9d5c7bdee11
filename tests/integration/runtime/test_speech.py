"""Texts of recordings are those of transformers' own pipeline."""

import asyncio

import httpx
import numpy as np
import openai
import pytest
from transformers import pipeline

from modelyard_runtime.errors import InvalidRequest
from modelyard_runtime.tasks.automatic_speech_recognition import Recording
from tests.support.media_files import hum, record, write_wav_header
from tests.support.runtime_server import build_client
from tests.support.runtime_server import running as serving
from tests.support.tiny_models import running
from tests.support.tiny_speech import WINDOW_SECONDS, write_wav2vec2, write_whisper

#: Short ones, and some of several windows.
SOUNDS = [hum(0.3 + 0.35 * seed, seed=seed) for seed in range(16)]


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return write_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def wav2vec2(tmp_path_factory):
    return write_wav2vec2(tmp_path_factory.mktemp("wav2vec2"))


def transcribe_by_library(folder, sounds=SOUNDS, *, seconds=WINDOW_SECONDS, **settings):
    library = pipeline(
        "automatic-speech-recognition", str(folder), device="cpu", chunk_length_s=seconds
    )
    return [
        library({"raw": sound[:, 0], "sampling_rate": 16_000}, **settings)["text"].strip()
        for sound in sounds
    ]


async def transcribe(folder, sounds=SOUNDS, **settings):
    items = [Recording(record(sound, coding="FLOAT"), **settings) for sound in sounds]
    async with running(folder) as engine:
        assert engine.info.task == "automatic-speech-recognition"
        (alone,) = await engine.run(items[-1:])
        answers = await asyncio.gather(*(engine.run([item]) for item in items))
    assert answers[-1] == [alone]
    return [answer for (answer,) in answers]


def openai_client(server):
    return openai.AsyncOpenAI(
        base_url=f"{server.url}/v1",
        api_key="none",
        max_retries=0,
        _strict_response_validation=True,
        http_client=httpx.AsyncClient(trust_env=False),
    )


@pytest.mark.parametrize("language", [None, "de"])
async def test_a_crowd_is_answered_as_the_pipeline_answers_each_alone(whisper, language):
    told = {"language": language, "task": "transcribe"}
    settings = {"num_beams": 1, "do_sample": False, "max_new_tokens": 16, **told}
    expected = transcribe_by_library(whisper, generate_kwargs=settings)
    answers = await transcribe(whisper, language=language)
    assert [answer.text for answer in answers] == expected
    assert [answer.seconds for answer in answers] == pytest.approx(
        [len(sound) / 16_000 for sound in SOUNDS]
    )
    assert len(set(expected)) > 12
    assert all(0 < answer.completion_tokens <= 16 * 6 for answer in answers)


async def test_letters_are_those_of_the_pipeline(wav2vec2):
    sounds = [*SOUNDS, hum(70, seed=99)]
    expected = transcribe_by_library(wav2vec2, sounds, seconds=30)
    answers = await transcribe(wav2vec2, sounds)
    assert [answer.text for answer in answers] == expected
    assert len(set(expected)) == len(expected)


async def test_a_language_that_the_model_does_not_know_is_refused(whisper, wav2vec2):
    sound = record(SOUNDS[0])
    async with running(whisper) as engine:
        with pytest.raises(InvalidRequest, match="language 'fr'; it knows de, en") as caught:
            await engine.run([Recording(sound, language="fr")])
        (told,) = await engine.run([Recording(sound, language="DE")])
        (told_other,) = await engine.run([Recording(sound, language="en")])
    assert caught.value.param == "language"
    assert told.text != told_other.text
    async with running(wav2vec2) as engine:
        with pytest.raises(InvalidRequest, match="cannot be told a language"):
            await engine.run([Recording(sound, language="en")])


async def test_a_model_of_english_alone_may_be_told_so(tmp_path):
    async with running(write_whisper(tmp_path, languages=())) as engine:
        (told,) = await engine.run([Recording(record(SOUNDS[9]), language="en")])
        (untold,) = await engine.run([Recording(record(SOUNDS[9]))])
        with pytest.raises(InvalidRequest, match="language 'de'; it knows en"):
            await engine.run([Recording(record(SOUNDS[9]), language="de")])
    assert told == untold
    assert told.text


async def test_openais_client_is_answered(whisper):
    (expected,) = await transcribe(whisper, [SOUNDS[7]])
    file = ("speech.flac", record(SOUNDS[7], "FLAC"), "audio/flac")
    async with (
        running(whisper) as engine,
        serving(engine) as server,
        openai_client(server) as client,
    ):
        create = client.audio.transcriptions.create
        answer = await create(model="tiny", file=file)
        text = await create(model="tiny", file=file, response_format="text", temperature=0)
        with pytest.raises(openai.BadRequestError) as caught:
            await create(model="tiny", file=("a.wav", record(SOUNDS[7])[:30]))
    assert (answer.text, answer.usage.seconds) == (expected.text, 3)
    assert text == expected.text
    assert caught.value.param == "file"


async def test_a_hostile_sound_harms_nobody(wav2vec2):
    files = {
        "good": record(SOUNDS[4]),
        "long": record(np.zeros(16_000 * 3600, np.int16), "FLAC"),
        "wide": write_wav_header(channels=1000, data_bytes=32_000, body=bytes(32_000)),
        "no numbers": record(np.full(16_000, np.nan, np.float32), coding="FLOAT"),
        "click": record(SOUNDS[4][:100]),
        "again good": record(SOUNDS[4]),
    }
    async with running(wav2vec2) as engine, build_client(engine) as client:
        answers = await asyncio.gather(
            *(
                client.post("/predict", content=file, headers={"content-type": "audio/wav"})
                for file in files.values()
            )
        )
    by_name = dict(zip(files, answers, strict=True))
    assert {name: answer.status_code for name, answer in by_name.items()} == {
        **dict.fromkeys(files, 400),
        "good": 200,
        "again good": 200,
    }
    assert by_name["good"].json() == by_name["again good"].json()
    assert {answer.json()["error"]["field"] for answer in answers if answer.status_code == 400} == {
        "audio"
    }
