system-bare-synlig = The system is visible only to your organisation. You can change this under Configuration.
