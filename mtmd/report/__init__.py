"""What people read about a run: tables, Markdown for artifacts, and the HTML page."""
