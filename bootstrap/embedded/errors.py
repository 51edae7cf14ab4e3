"""What goes wrong when a private server is asked for."""


class EmbeddedServerError(RuntimeError):
    """A private server could not be started or reached; nothing was left running.

    ``server`` names it (or is ``"guardian"``, the process that holds the servers), ``problem`` and
    ``advice`` say what was wrong and what to do, ``log`` is the end of what the server printed.
    """

    def __init__(self, server: str, problem: str, *, advice: str, log: str = "") -> None:
        self.server = server
        self.problem = problem
        self.advice = advice
        self.log = log
        printed = f"\nIts last words:\n{log}" if log else ""
        super().__init__(f"embedded {server}: {problem}\nWhat to do: {advice}{printed}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (self.server, self.problem, self.advice, self.log)


def _rebuilt(server: str, problem: str, advice: str, log: str) -> EmbeddedServerError:
    return EmbeddedServerError(server, problem, advice=advice, log=log)
