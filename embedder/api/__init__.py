"""The HTTP edge: OpenAI's wire format over `Engine`, and nothing of the page."""
