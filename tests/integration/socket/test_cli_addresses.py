"""Addresses on the command line: sent instead of bytes, judged by the daemon."""

from __future__ import annotations

from messages import admin
from tests.integration.socket.live import Capture, LiveGateway, run


def test_an_address_is_sent_instead_of_bytes(live: LiveGateway, capsys: Capture) -> None:
    code, out, _ = run(capsys, "data", "add", "s3://elsewhere/datasets/user_x/big.csv")
    assert code == 4
    code, out, _ = run(capsys, "data", "add", "runpod://vol123/datasets/user_x/big.csv", "--name", "mine")
    assert code == 0
    assert out.startswith("mine · ds_")
    code, _, _ = run(capsys, "train", "runpod://vol123/datasets/user_x/big.csv", "-t", "churn", "-y", "--no-follow")
    assert code == 0
    asked = [(q.address, q.name) for q in live.node.storage.asked if isinstance(q, admin.AddFromAddress)]
    assert asked[1:] == [
        ("runpod://vol123/datasets/user_x/big.csv", "mine"),
        ("runpod://vol123/datasets/user_x/big.csv", None),
    ]
    assert live.node.dispatcher.asked[-1].order.dataset in live.node.datasets
    assert not [q for q in live.node.storage.asked if isinstance(q, admin.BeginUpload)]


def test_what_is_neither_a_file_nor_an_address_is_refused_here(live: LiveGateway, capsys: Capture) -> None:
    code, _, err = run(capsys, "data", "add", "no-such-file.csv")
    assert (code, live.node.storage.asked) == (5, [])
    assert "There is no file no-such-file.csv here." in err
