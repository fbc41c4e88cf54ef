"""Few-shot prompts, and the language models that answer them: behind an address, or on this machine."""

APIS = {
    "chat": "cotrain.prompting.protocol:chat",
    "completion": "cotrain.prompting.protocol:completion",
}
"""Ways to ask a server: client, model, prompt and parameters → ``Said``."""
