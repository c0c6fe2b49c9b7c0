"""`ostiary sessions …`."""

import asyncio
import sys
from datetime import UTC, datetime

import typer

from app.auth.devices import UNKNOWN
from app.config import Settings
from app.logs import configure_logging
from app.runtime import Runtime
from app.services.explanation import Explanation, explain

cli = typer.Typer(name="sessions", help="Look into sessions.", no_args_is_help=True)


@cli.callback()
def sessions() -> None:
    """Look into sessions."""


@cli.command("explain")
def explain_session(
    what: str = typer.Argument(help="A session's id, an access or refresh token, a cookie's value; - reads it."),
) -> None:
    """Tell what happened to a session: when it began, was refreshed, and why it ended.

    Others on this machine can read a command line; hand tokens over by standard input: `ostiary sessions explain -`.
    """
    text = sys.stdin.readline().strip() if what == "-" else what
    typer.echo(_written(asyncio.run(_explain(text))))


async def _explain(text: str) -> Explanation:
    settings = Settings.load()
    configure_logging(settings)
    runtime = Runtime.build(settings)
    try:
        return await explain(runtime.database.read, runtime.tokens, text=text, now=datetime.now(UTC))
    finally:
        await runtime.close()


def _written(told: Explanation) -> str:
    width = max(len(entry.event.value) for entry in told.timeline)
    # In quotation marks: a client chooses what it calls itself.
    lines = [f'Session {told.session_id} of {told.email}, on "{told.device or UNKNOWN}"']
    lines += [told.remark] if told.remark else []
    for entry in told.timeline:
        who = f"by {entry.actor_id}" if entry.actor_id else ""
        origin = f"from {entry.client_address}" if entry.client_address else ""
        times = f"{entry.count} time(s), this is the last" if entry.count else ""
        parts = " ".join(part for part in (entry.detail, times, origin, who) if part)
        lines.append(f"  {entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.event.value:<{width}}  {parts}".rstrip())
    lines.append(f"It has ended: {told.end_cause}." if told.end_cause else "It lives.")
    return "\n".join(lines)
