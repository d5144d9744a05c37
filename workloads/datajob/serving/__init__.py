"""The application of a ModelService: answers requests in the format of OpenAI with one model."""
