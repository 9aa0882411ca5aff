"""Adapters: one file per peer, `peer_NAME.py` or `peer_NAME.js`. They run in the peer's own environment.

A file begins with a comment of `key: value` lines, read by benchmarks/peers/catalogue.py without running the file. A
value may go on in indented lines.

    packages     what the environment holds, pinned; nothing: the environment that runs the comparison
    python       the Python it needs, if another than the one that runs the comparison
    handlers     async, plain (threads or processes), or both
    import       a line of code that imports it
    help         its command line's way to show help
    settings     how it is set up here and why, from its documentation
    guarantees   what its users may rely on with these settings, in short words

It then defines, with what harness.py or harness.js gives it:

    open()               connect; optional
    enqueue()            store one JOB and return when the server has acknowledged it; a coroutine or not
    enqueue_bulk(count)  the same for many, if the peer has an API for that
    work()               be a worker with CONCURRENCY slots whose handler is PLAIN or not, until SIGTERM; a coroutine or not
"""
