"""A transport of HTTP that connects to this machine only, whatever names, redirects and proxies say."""

from __future__ import annotations

import httpx2

from cotrain.prompting.guard import here


class Loopback(httpx2.HTTPTransport):
    """Resolves the host of each request, and connects to the loopback address that was looked at; a name is not asked twice."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer of a server on this machine.

        Raises:
            InputError: the host is not this machine.
        """
        named = request.url
        *others, last = here(named.host)
        request.extensions = {**request.extensions, "sni_hostname": named.host}
        for address in others:
            request.url = named.copy_with(host=address)
            try:
                return super().handle_request(request)
            except httpx2.ConnectError:
                continue  # localhost is ::1 and 127.0.0.1, and a server may listen on one of them
        request.url = named.copy_with(host=last)
        return super().handle_request(request)


def client(timeout: float) -> httpx2.Client:
    """Return a client for this machine: no proxy of the environment, no redirect."""
    return httpx2.Client(transport=Loopback(trust_env=False), trust_env=False, follow_redirects=False, timeout=timeout)
