"""The report of a run: HTML, Markdown, LaTeX and figures, and the first screen for the terminal."""
