"""How long a test waits for something that is sure to come. No test is about speed: this is a safety net."""

PATIENCE = 300.0  # seconds; one slow core beside busy ones takes a minute for torch's import and a drag
