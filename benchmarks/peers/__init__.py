"""The comparison with other queues: `make bench-peers`, or `make bench-peers PEERS="dramatiq bee-queue"`.

catalogue (which peers there are) → environments (what they need, installed once) → site (a server, a producer, a worker)
→ steps (one measurement each) → rounds (all of them, peer by peer, again and again) → report (Markdown).
"""
