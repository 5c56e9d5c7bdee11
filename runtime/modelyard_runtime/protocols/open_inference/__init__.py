"""The Open Inference Protocol, version 2: named tensors in and out, over HTTP and gRPC.

Specification: https://github.com/kserve/open-inference-protocol, with the binary tensor data and
the model repository extensions as https://github.com/triton-inference-server/server describes them.
"""
