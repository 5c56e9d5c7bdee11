"""The protocol of rerankers, as Cohere and Jina have it."""
