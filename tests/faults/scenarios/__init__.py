"""The scenarios, each in a file that says what it does and what it holds."""
