"""Dask's dashboard: off unless it is wanted, and then only for those who know its address."""

from __future__ import annotations

import socket
from typing import Any

from distributed.http.utils import RequestHandler

__all__ = ["LOOPBACK", "dashboard_options", "dashboard_settings", "guard_dashboard"]

LOOPBACK = "127.0.0.1"


def dashboard_settings(secret: str) -> dict[str, Any]:
    """Return Dask's settings for pages whose address begins with a secret; without one there are no pages.

    All users of a machine can connect to its loopback interface, so that the interface keeps nobody out.
    """
    if secret:
        return {"distributed.dashboard.link": f"http://{LOOPBACK}:{{port}}/{secret}/status"}
    return {
        "distributed.dashboard.link": "",
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }


def dashboard_options(secret: str) -> dict[str, Any]:
    """Return the options of a scheduler for them."""
    return {"dashboard": bool(secret), "dashboard_address": f"{LOOPBACK}:0", "http_prefix": f"/{secret}"}


def guard_dashboard(scheduler: Any, secret: str) -> str:
    """Answer no request without the secret; return a line that says how to open the pages, empty if there are none."""
    application, port = scheduler.http_application, scheduler.http_server.port
    find = application.find_handler

    # Dask's own pages outside the prefix redirect into it, or list what is there.
    def find_if_known(request: Any, **options: Any) -> Any:
        if secret and request.path.startswith(f"/{secret}/"):
            return find(request, **options)
        return application.get_handler_delegate(request, _NotFound)

    application.find_handler = find_if_known
    if not secret:
        return ""
    return (
        f"dashboard: http://{LOOPBACK}:{port}/{secret}/status (from another machine, after: "
        f"ssh -L {port}:{LOOPBACK}:{port} {socket.getfqdn()})"
    )


class _NotFound(RequestHandler):
    def prepare(self) -> None:
        self.send_error(404)
