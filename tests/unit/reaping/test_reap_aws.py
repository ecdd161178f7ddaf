"""``lastcall reap`` on the emulated AWS: instances known by their names alone, with the key alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from actors.journal import install as installs
from lastcall import reaping
from messages.machines import MachineName
from tests.support.providers.aws_subject import AwsSubject

KEY = b"k" * 32
OURS = installs.Install("instal", "gene", KEY, datetime(2026, 1, 1, tzinfo=UTC), "1")


async def test_overdue_instances_are_ended_and_proven_and_nothing_else_is_touched(tmp_path: Path) -> None:
    """Fault 16; the journal is lost, the names are not."""
    subject = AwsSubject(tmp_path)
    hard = subject.now() + timedelta(seconds=60)
    overdue = MachineName("instal", "olde", "zzzzzzzzzz", 1, hard).text(KEY)
    running = MachineName("instal", "gene", "yyyyyyyyyy", 1, hard + timedelta(days=1)).text(KEY)
    others = MachineName("instal", "gene", "xxxxxxxxxx", 1, hard).text(b"another key")
    for name in (overdue, running, others):
        subject.plant(name)
    await subject.advance(300)
    found = await subject.run(reaping.reap(subject.provider.training, OURS, subject.clock, dry_run=False))
    assert [(row.name, row.gone) for row in found.machines] == [(overdue, True)]
    assert {name: subject.living(name) for name in (overdue, running, others)} == {overdue: 0, running: 1, others: 1}
    assert (found.left, found.running, reaping.exit_code(found)) == (0, 1, 0)
    await subject.close()
