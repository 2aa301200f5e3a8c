"""Why an ask was not answered: what an asker can catch."""


class AskFailed(Exception):
    """No reply will come from the actor that was asked.

    ``addressee`` is the actor's name; ``reason`` is short and never holds payload.
    """

    def __init__(self, addressee: str, reason: str) -> None:
        super().__init__(f"{addressee}: {reason}")
        self.addressee = addressee
        self.reason = reason


class ActorCrashed(AskFailed):
    """The actor crashed while it held the message; whether it took effect is unknown."""


class MailboxFull(AskFailed):
    """The message was refused, it had no effect: there was no room for it."""


class DeadlineExceeded(AskFailed):
    """The deadline passed before the reply; whether the message takes effect is unknown."""


class ActorStopped(AskFailed):
    """The actor is down for good, it will never handle the message."""


class Mishap(Exception):
    """Raised by an actor whose outside failed it: the log takes its text, and no traceback.

    Its text is shown and logged as the reason; it must hold no payload.
    """


class Fatal(Exception):
    """Raised by an actor that found what no restart mends: the whole tree gives up at once.

    Its text is shown and logged as the reason; it must hold no payload. ``exit_code`` is the
    process's.
    """

    exit_code = 1
