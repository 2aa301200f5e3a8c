"""The node agent: it joins a gateway, runs units with plugins, and returns their results.

The command line calls:

    rendertrust.node.enrolment
        async join(url: str, *, name: str | None = None, state: Path | None = None,
                   token: str | None = None, code: PinnedCode | None = None,
                   unsafe_no_sandbox: bool = False,
                   metadata: Mapping[str, object] | None = None, accept_new_key: bool = False,
                   new_key: bool = False) -> Joined | JoinRefused
            Joined(node_id, name, url, owned: bool, owner, running: bool, proven: bool,
                   capabilities, not_offered, …)
            JoinRefused(reason, code, remedy) code: an HTTP status, or None without a response
            ``token`` is a user's access token, ``code`` a join code: the node then belongs to that
            user.

    rendertrust.node.agent
        async run(state: Path | None = None, *, settings: AgentSettings | None = None,
                  narrator: Callable[[str], None] | None = None,
                  stop: asyncio.Event | None = None, needs: str | None = None) -> AgentExit
            until drained, stopped by SIGTERM or SIGINT, replaced or refused.
            AgentExit(reason: str, ok: bool, for_good: bool)
                                              ok is True only after a drain or a stop
        status(state: Path | None = None) -> Status | NotJoined
            Status(node_id, name, url, running: bool, connected: bool, draining: bool, pid,
                   health_port, capabilities, not_offered, units, waiting_results, version, …)

    rendertrust.node.agent_settings
        AgentSettings(slots=1, health_port=8081, unsafe_no_sandbox=False, cache_bytes_max=…, …)
            frozen; health_port None turns the health page off, 0 takes a free port.

``state`` is the folder of key, token and spool. ``state`` defaults to ``$RENDERTRUST_STATE``, then
to the XDG state folder.
"""
