"""The API as people read it: a page with the OpenAPI document, in which requests can be sent."""
