"""What steers huggingface_hub and obstore is taken out of the environment."""

from modelyard_runtime.fetch.isolation import isolate


def test_only_what_was_set_here_steers_the_libraries():
    environment = {
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy:3128",
        "HF_TOKEN": "hf_x",
        "HF_ENDPOINT": "https://evil.example.com",
        "HUGGINGFACE_CO_STAGING": "1",
        "HUGGING_FACE_HUB_TOKEN": "hf_x",
        "TRANSFORMERS_OFFLINE": "1",
        "AWS_ENDPOINT_URL_S3": "https://evil.example.com",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/token",
    }
    isolate(environment)
    assert environment == {
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy:3128",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": "/tmp/modelyard-hub",
    }
