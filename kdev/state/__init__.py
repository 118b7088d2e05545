"""`.kdev/` on disk: journal, run history, answers, caches, the session lock. Knows files and SQLite, judges nothing."""
