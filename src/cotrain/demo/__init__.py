"""The demo: six small clinical-style tasks, generated from templates, whose true V-information is known."""
